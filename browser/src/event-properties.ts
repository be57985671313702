import type { Properties } from "./options";

/** Limit of a value's JSON: the format's is as much in bytes. */
const MAX_VALUE = 4_096;

/**
 * An application's properties as they are now, under the names that events give them; without those that have no JSON
 * form, or too long a one.
 */
export function eventProperties(properties?: Properties): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(properties ?? {})) {
    try {
      const json = JSON.stringify(value);
      if (json.length <= MAX_VALUE) fields[`event_properties.${name}`] = JSON.parse(json);
    } catch {
      // A function, a cycle, a BigInt.
    }
  }
  return fields;
}
