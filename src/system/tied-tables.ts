/** Tables of embeddings that words are scored by as well: the head is tied to them. */

import { fullName, rootScope, wrapScope } from '../nn/index.js';
import { inputTensors, type Network } from './network.js';

const known = new WeakMap<Network, ReadonlySet<string>>();

/** Their names. The whole network is traced for them, once. */
export function tiedTables(network: Network): ReadonlySet<string> {
  const tables = known.get(network) ?? traced(network);
  known.set(network, tables);
  return tables;
}

function traced(network: Network): ReadonlySet<string> {
  const [looked, scored] = [new Set<string>(), new Set<string>()];
  const scope = wrapScope(rootScope().p, (inner) => ({
    rows(name, ids, table, init) {
      looked.add(fullName(inner, name));
      return inner.rows(name, ids, table, init);
    },
    product(name, x, out, init) {
      if (inner.isShared) scored.add(fullName(inner, name));
      return inner.product(name, x, out, init);
    },
  }));
  network.forward(scope, inputTensors(network.inputs));
  return new Set([...looked].filter((name) => scored.has(name)));
}
