SELECT * FROM requests WHERE /*rows*/
