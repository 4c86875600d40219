/** Tables of embeddings that words are scored by as well: the head is tied to them. */

import { fullName, rootScope, wrapScope } from '../nn/index.js';
import { inputTensors, type Network } from './network.js';
import { isSystem, type System, withBackbone } from './system.js';

const known = new WeakMap<Network, ReadonlySet<string>>();

/** Their names. The whole network is traced for them, once. */
export function tiedTables(network: Network): ReadonlySet<string> {
  const tables = known.get(network) ?? traced(network);
  known.set(network, tables);
  return tables;
}

/** The path of the only one; undefined where there are more or none. */
export function tiedTable(network: Network): string | undefined {
  const [table, ...others] = tiedTables(network);
  return others.length > 0 ? undefined : table?.replace(/\.weight$/, '');
}

/** The path of a network's head for words, tied or not. */
export function headOf(network: Network): string {
  const prefix = isSystem(network) ? network.backbone.prefix : '';
  return prefix === '' ? 'lm_head' : `${prefix}.lm_head`;
}

/** The system with a head of its own in place of the table. */
export function untied(system: System): System {
  const { part } = system.backbone;
  return withBackbone(system, {
    ...part,
    logits(p, hidden) {
      const head = p.at('lm_head');
      const scope = wrapScope(p, (inner) => ({
        product: (name, x, out, init) => (inner.isShared ? head : inner).product(name, x, out, init),
      }));
      return part.logits(scope, hidden);
    },
  });
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
