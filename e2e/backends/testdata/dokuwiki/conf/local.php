<?php
// What this wiki sets beside Debian's configuration. DokuWiki reads it with every request.
$conf['title'] = 'Behind the proxy';
$conf['savedir'] = getenv('DOKU_DATA');
$conf['useacl'] = 1;
$conf['superuser'] = '@admin';
$conf['updatecheck'] = 0; // nothing goes to other machines
