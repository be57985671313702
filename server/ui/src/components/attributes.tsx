import type { Attributes } from '../api/types.ts';
import { formatValue } from '../model/format.ts';

/** AttributeTable lists attributes by name. */
export function AttributeTable({ attributes }: { attributes: Attributes }) {
  return (
    <table class="attributes">
      <tbody>
        {Object.keys(attributes)
          .sort()
          .map((name) => (
            <tr key={name}>
              <th scope="row" class="untrusted">
                {name}
              </th>
              <td class="untrusted">{formatValue(attributes[name])}</td>
            </tr>
          ))}
      </tbody>
    </table>
  );
}
