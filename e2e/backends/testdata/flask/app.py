"""A small application as docs/guides/flask.md describes it. Its only knowledge of
the proxy is ProxyFix."""

from pathlib import Path

from flask import Flask, redirect, request, send_from_directory
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.serving import make_server

FILES = Path(__file__).parent.parent / "public"

app = Flask(__name__, static_folder=FILES, static_url_path="/public")
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)


@app.get("/")
def page():
    return send_from_directory(FILES, "page.html")


@app.get("/seen")
def seen():
    """What the application knows of a request that came through the proxy."""
    return {
        "url": request.url,
        "client": request.remote_addr,
        "traceparent": request.headers.get("traceparent", ""),
        "tracestate": request.headers.get("tracestate", ""),
    }


@app.post("/greeting")
def greeting():
    return f"Hello, {request.form['name']}!", {"Content-Type": "text/plain"}


@app.get("/moved")
def moved():
    return redirect("/")


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
