/** Models that rate texts: of a language model, by a new head; as transformers has them on disk. */

import { declarationsOf, isRewardSystem, rewardSystem, type System } from '../system/index.js';
import { createTokenizer } from '../text/index.js';
import type { Model } from './model.js';
import { layeredWeights } from './weights.js';

/** The model with a head that rates texts in place of the one for words; where it is new, `seed` is its beginning. */
export function rewardModel(model: Model<System>, { seed = 0 }: { readonly seed?: number } = {}): Model<System> {
  if (isRewardSystem(model.network)) return model;
  const network = rewardSystem(model.network);
  return {
    ...model,
    network,
    declarations: declarationsOf(network),
    weights: layeredWeights(model.weights, new Map(), seed),
  };
}

/** What the `config.json` of a model says of its head: nothing that is not there yet, but of a reward model. */
export function headInConfig({ network, files }: Model): Record<string, unknown> {
  if (!isRewardSystem(network)) return {};
  const { architectures = ['Model'], pad_token_id: pad } = files?.config ?? {};
  const names = (architectures as readonly string[]).map((name) => name.replace(/(For|LMHead)\w+$/, ''));
  // By it transformers finds the last token of a text.
  const own = files?.tokenizer && createTokenizer(files.tokenizer, files.tokenizerConfig).special.pad;
  return {
    architectures: names.map((name) => `${name}ForSequenceClassification`),
    id2label: { 0: 'LABEL_0' },
    label2id: { LABEL_0: 0 },
    ...(pad == null && own !== undefined ? { pad_token_id: own } : {}),
  };
}
