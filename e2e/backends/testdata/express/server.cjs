// A small application as docs/guides/express.md describes it. Its only knowledge
// of the proxy is `trust proxy`.
const path = require("node:path");
const express = require("express");

const files = path.join(__dirname, "../public");
const app = express();
app.set("trust proxy", "loopback");
app.use("/public", express.static(files));
app.use(express.urlencoded({ extended: false, limit: "10kb" }));

app.get("/", (_req, res) => res.sendFile("page.html", { root: files }));

// What the application knows of a request that came through the proxy.
app.get("/seen", (req, res) =>
  res.json({
    url: `${req.protocol}://${req.host}${req.originalUrl}`,
    client: req.ip,
    traceparent: req.get("traceparent") ?? "",
    tracestate: req.get("tracestate") ?? "",
  }),
);

app.post("/greeting", (req, res) => res.type("text").send(`Hello, ${req.body.name}!`));

app.get("/moved", (_req, res) => res.redirect("/"));

const server = app.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
