<?php
// Read before each script (auto_prepend_file): what the proxy says of a request is
// put where PHP programs look for it. Nobody but the proxy may be able to reach PHP.
if ($_SERVER['REMOTE_ADDR'] === '127.0.0.1') {
    if (($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https') {
        $_SERVER['HTTPS'] = 'on';
    }
    $_SERVER['HTTP_HOST'] = $_SERVER['HTTP_X_FORWARDED_HOST'] ?? $_SERVER['HTTP_HOST'];
    $hops = explode(',', $_SERVER['HTTP_X_FORWARDED_FOR'] ?? $_SERVER['REMOTE_ADDR']);
    $_SERVER['REMOTE_ADDR'] = trim(end($hops)); // whom the proxy itself saw
}
