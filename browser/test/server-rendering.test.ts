import { expect, test, vi } from "vitest";
import { init } from "../src/index";

test("where there is no page, as in server rendering, init does not throw and does nothing", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  const handle = init({ applicationId: "745a78fe5b6e57f6" });
  await handle.flush();
  await handle.shutdown();
  expect(warn).toHaveBeenCalledOnce();
});
