/** What an adapter's configuration may ask for that is not done here, and would give other numbers if nobody noticed. */

import { type Fields, QuintetError } from '../../tensor/index.js';

/** Options by name; null, false and empty ones are not set. */
const options = [
  ...['lora_bias', 'use_qalora', 'use_bdlora', 'alora_invocation_tokens', 'layer_replication', 'target_parameters'],
  ...['kasa_config', 'monteclora_config', 'velora_config', 'arrow_config'],
  ...['coft', 'apply_GS'],
];

/** Ways to begin that take from the base's weights what they put into the adapter. */
const changesBase = /^(?:pissa|corda|olora|loftq|lora_ga)/i;

/** Refuses a configuration that asks for any of it. */
export function refuseOptions(config: Fields): void {
  const asked = options.find((name) => isSet(config.raw[name]));
  if (asked !== undefined) throw new QuintetError('unsupported', `${asked} is not supported`, { at: config.at });
  const begins = config.raw.init_lora_weights;
  if (typeof begins !== 'string' || !changesBase.test(begins)) return;
  throw new QuintetError('unsupported', `init_lora_weights "${begins}" is not supported: it changes the base too`, {
    at: config.at,
    hint: 'save it as plain LoRA: save_pretrained(folder, path_initial_model_for_weight_conversion=…)',
  });
}

const isSet = (value: unknown): boolean =>
  Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null && value !== false;
