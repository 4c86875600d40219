/** What may be called by the name of something wider: an owl by "bird", a police car by "car". */
import type { Random } from '../../src/tensor/index.js';
import { readBeside } from './places.js';

/** By their wider names, things whose own names do not end with these. */
const within: Readonly<Record<string, readonly string[]>> = {
  bird: 'chicken dove duck eagle flamingo goose owl parrot peacock penguin rooster swan turkey chick'.split(' '),
  fish: ['blowfish', 'shark', 'ray', 'eel'],
  bug: 'ant bee beetle butterfly cockroach cricket fly ladybug mosquito spider scorpion worm'.split(' '),
  blossom: 'hibiscus rose tulip lotus sunflower hyacinth flower'.split(' '),
  bear: ['panda', 'koala'],
  monkey: ['gorilla', 'orangutan', 'ape'],
  cow: ['ox', 'bison'],
  deer: ['moose'],
  pig: ['boar'],
  mouse: ['rat', 'hamster'],
  rat: ['mouse', 'hamster'],
  ship: ['ferry', 'sailboat', 'boat', 'liner'],
  boat: ['ship', 'liner', 'ferry', 'canoe', 'sailboat'],
  car: ['taxi', 'ambulance', 'limousine', 'minivan', 'jeep', 'cab', 'wagon'],
  truck: ['fire engine'],
  train: ['locomotive'],
  locomotive: ['train'],
  bicycle: ['motorcycle'],
  mountain: ['mount fuji', 'volcano'],
  house: ['hut'],
  ticket: ['admission tickets'],
  'ice cream': ['ice cream cone'],
  'ice cream cone': ['ice cream'],
  telephone: ['phone'],
  phone: ['telephone'],
  'mobile phone': ['telephone'],
  'movie camera': ['video camera'],
  'video camera': ['movie camera'],
  bread: ['bagel', 'croissant'],
  sandwich: ['hamburger'],
  football: ['soccer ball'],
  glasses: ['sunglasses', 'goggles'],
  package: ['gift'],
  gift: ['package'],
  chair: ['wheelchair'],
  melon: ['watermelon'],
  droplet: ['drop of blood'],
  comet: ['meteor', 'shooting star'],
  meteor: ['comet', 'shooting star'],
  'shooting star': ['comet', 'meteor'],
  laptop: ['notebook'],
  computer: ['laptop', 'notebook'],
};

/** What is only called so: a hot dog is no dog. */
const called = ['hot dog', 'prairie dog', 'sea lion', 'water pistol', 'swimming cap'];

const endsWith = (name: string, word: string): boolean =>
  name === word || (name.endsWith(` ${word}`) && !called.includes(name));

/** Whether what has the first name may be called by the second. */
export const isKindOf = (name: string, wider: string): boolean =>
  [wider, ...(within[wider] ?? [])].some((word) => endsWith(name, word));

const wide = Object.entries(
  readBeside('wide-words.yaml') as Readonly<Record<string, Readonly<Record<'holds' | 'unclear', readonly unknown[]>>>>,
).map(([name, { holds, unclear }]) => ({ name, holds: new Set(holds.flat(2)), unclear: new Set(unclear) }));

/**
 * A wide word that may be said of one of some things, or of none; undefined where that is unclear of all. Of `named`, all that
 * could be there, a word that holds more is asked for more often where it is not there, too: the word must not tell the answer.
 */
export function wideWord(
  things: readonly string[],
  named: readonly string[],
  random: Random,
): { readonly name: string; readonly yes: boolean } | undefined {
  const clear = wide.filter(({ unclear }) => !things.some((thing) => unclear.has(thing)));
  const told = clear.filter(({ holds }) => things.some((thing) => holds.has(thing)));
  const others = clear.flatMap((word) =>
    told.includes(word) ? [] : named.flatMap((name) => (word.holds.has(name) ? [word] : [])),
  );
  const yes = told.length > 0 && (others.length === 0 || random.uniform() < 0.85);
  const words = yes ? told : others;
  return words.length > 0 ? { name: random.pick(words).name, yes } : undefined;
}
