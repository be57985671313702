// The application's own OpenTelemetry SDK, loaded before it:
// node --require ./telemetry.cjs server.cjs. The variables OTEL_SERVICE_NAME and
// OTEL_EXPORTER_OTLP_ENDPOINT say the rest.
const { NodeSDK } = require("@opentelemetry/sdk-node");
const { HttpInstrumentation } = require("@opentelemetry/instrumentation-http");
const { ExpressInstrumentation } = require("@opentelemetry/instrumentation-express");

const sdk = new NodeSDK({ instrumentations: [new HttpInstrumentation(), new ExpressInstrumentation()] });
sdk.start();
process.once("SIGTERM", () => sdk.shutdown().finally(() => process.exit(0)));
