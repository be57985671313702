<?php
// A small application as docs/guides/php.md describes it, which knows nothing of the
// proxy: php -d auto_prepend_file=behind-proxy.php -S 127.0.0.1:3000. What is no file comes here.

declare(strict_types=1);

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
switch ("{$_SERVER['REQUEST_METHOD']} $path") {
    case 'GET /':
        readfile(__DIR__ . '/public/page.html');
        break;
    case 'GET /seen': // what the application knows of a request that came through the proxy
        $scheme = ($_SERVER['HTTPS'] ?? 'off') === 'off' ? 'http' : 'https';
        header('Content-Type: application/json');
        echo json_encode([
            'url' => "$scheme://{$_SERVER['HTTP_HOST']}{$_SERVER['REQUEST_URI']}",
            'client' => $_SERVER['REMOTE_ADDR'],
            'traceparent' => $_SERVER['HTTP_TRACEPARENT'] ?? '',
            'tracestate' => $_SERVER['HTTP_TRACESTATE'] ?? '',
        ], JSON_UNESCAPED_SLASHES);
        break;
    case 'POST /greeting':
        header('Content-Type: text/plain; charset=utf-8');
        echo "Hello, {$_POST['name']}!";
        break;
    case 'GET /moved':
        header('Location: /', true, 302);
        break;
    default:
        http_response_code(404);
}
