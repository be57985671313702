# everybody may read, users may edit and upload
*	@ALL	1
*	@user	8
