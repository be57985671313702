import type { TestProject } from "vitest/node";
import type { EngineAddress, EngineName, Started } from "./engines/engine";
import { startPlaywright } from "./engines/playwright";
import { startWebKit } from "./engines/webkit";

declare module "vitest" {
  interface ProvidedContext {
    engine: EngineAddress;
  }
}

/** Starts the engine of the project, which all its tests connect to. */
export default async function setup({ name, provide, vitest }: TestProject): Promise<Started["stop"]> {
  const { address, stop } = await start(name as EngineName, Number(vitest.config.maxWorkers)).catch((error) => {
    throw new Error(`${name} does not start, "make setup-engines" installs what it needs: ${error}`);
  });
  provide("engine", address);
  return stop;
}

function start(name: EngineName, workers: number): Promise<Started> {
  return name === "webkit" ? startWebKit(workers) : startPlaywright(name, workers);
}
