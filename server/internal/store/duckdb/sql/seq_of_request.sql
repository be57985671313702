SELECT seq FROM requests WHERE /*rows*/ AND id = $1
