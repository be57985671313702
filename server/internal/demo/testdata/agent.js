// Stands in for the agent: it loads a second file, and when the page is left, it
// sends what Resource Timing and Navigation Timing hold.
(() => {
  import(new URL("throughline-idle.js", document.currentScript.src));
  const { applicationId, endpoint } = document.currentScript.dataset;
  const pattern = document.currentScript.getAttribute("data-cross-origin-url-pattern");
  const kinds = { navigation: "document", fetch: "fetch", xmlhttprequest: "xhr" };
  addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "hidden") return;
    const entries = [
      ...performance.getEntriesByType("navigation"),
      ...performance.getEntriesByType("resource"),
    ];
    const ofPage = (e) => !e.name.endsWith("/throughline-idle.js");
    const events = entries.filter(ofPage).map((e) => ({
      kind: kinds[e.initiatorType] ?? "resource",
      url: e.name,
      allowed: new RegExp(pattern).test(e.name),
    }));
    navigator.sendBeacon(endpoint, JSON.stringify({ applicationId, events }));
  });
})();
