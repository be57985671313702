import { init } from "@elastic/apm-rum";

init({
  serviceName: "bench",
  serviceVersion: "1.0.0",
  serverUrl: location.origin,
  transactionSampleRate: 1,
  // The default of 80 a minute would leave out nearly all of the bench's requests.
  eventsLimit: 1_000_000,
});
