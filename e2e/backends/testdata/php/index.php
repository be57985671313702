<?php
// A small application as docs/guides/php.md describes it, run by
// php -S 127.0.0.1:0 index.php. What it believes of the proxy is in request_url.

declare(strict_types=1);

const FILES = __DIR__ . '/../public';

// The URL as the visitor sees it. REMOTE_ADDR is the proxy, the only one to be believed.
function request_url(): string
{
    $trusted = $_SERVER['REMOTE_ADDR'] === '127.0.0.1';
    $scheme = $trusted && ($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https' ? 'https' : 'http';
    $host = ($trusted ? $_SERVER['HTTP_X_FORWARDED_HOST'] ?? null : null) ?? $_SERVER['HTTP_HOST'];
    return "$scheme://$host{$_SERVER['REQUEST_URI']}";
}

function client(): string
{
    $hops = explode(',', $_SERVER['HTTP_X_FORWARDED_FOR'] ?? '');
    return $_SERVER['REMOTE_ADDR'] === '127.0.0.1' ? trim(end($hops)) : $_SERVER['REMOTE_ADDR'];
}

function send_file(string $name): void
{
    $types = ['css' => 'text/css', 'html' => 'text/html', 'js' => 'text/javascript', 'svg' => 'image/svg+xml'];
    header('Content-Type: ' . $types[pathinfo($name, PATHINFO_EXTENSION)] . '; charset=utf-8');
    readfile(FILES . '/' . $name);
}

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
switch ("{$_SERVER['REQUEST_METHOD']} $path") {
    case 'GET /':
        send_file('page.html');
        break;
    case 'GET /public/app.css':
    case 'GET /public/app.js':
    case 'GET /public/pattern.svg':
    case 'GET /public/picture.svg':
        send_file(basename($path));
        break;
    case 'GET /seen': // what the application knows of a request that came through the proxy
        header('Content-Type: application/json');
        echo json_encode([
            'url' => request_url(),
            'client' => client(),
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
