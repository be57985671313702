SELECT * FROM requests WHERE /*rows*/ AND id = /*id*/
