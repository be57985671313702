<?php
// Read by PHP before each of DokuWiki's scripts (auto_prepend_file), which are
// left as they are: where this wiki has its configuration. Debian's is of the
// machine, this one of the test.
define('DOKU_MAIN_CONF', getenv('DOKU_CONF'));
define('DOKU_CONF', getenv('DOKU_CONF'));
