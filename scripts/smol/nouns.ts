/** English around a noun: articles, plurals, numbers, lists. */
import { article } from '../nano/objects.js';

/** Nouns that stand without an article: what cannot be counted, and plurals. */
const bare =
  /^(bacon|bread|butter|candy|garlic|salt|sushi|popcorn|spaghetti|soap|toilet paper|corn|lettuce|custard|sake|curry rice|oden|broccoli|ginger root|cheese|fire|coral|meat on the bone|canned food|bubble tea|rice|badminton|bowling|tennis|ping pong|lacrosse|field hockey|ice hockey|falafel|.* dolls|.* shoes|.* tickets|luggage|mount fuji|tokyo tower|glasses|gloves|goggles|jeans|socks|shorts|briefs|skis|books|beans|peanuts|blueberries|cherries|grapes|pancakes|chopsticks|scissors|maracas|paw prints|crossed swords|french fries|clinking beer mugs|shopping bags|sunglasses|fireworks|binoculars|swimming trunks|hay|dough|guacamole)$/;

const odd: Readonly<Record<string, string>> = {
  mouse: 'mice',
  'computer mouse': 'computer mice',
  goose: 'geese',
  sheep: 'sheep',
  fish: 'fish',
  'tropical fish': 'tropical fish',
  deer: 'deer',
  squid: 'squid',
  wolf: 'wolves',
  knife: 'knives',
  bison: 'bison',
  ox: 'oxen',
  'fallen leaf': 'fallen leaves',
  'maple leaf': 'maple leaves',
  'ball of yarn': 'balls of yarn',
  'spool of thread': 'spools of thread',
  'bowl of rice': 'bowls of rice',
  'glass of milk': 'glasses of milk',
  'pot of food': 'pots of food',
  'pan of food': 'pans of food',
  'drop of blood': 'drops of blood',
  'sheaf of rice': 'sheaves of rice',
  'statue of liberty': 'statues of liberty',
  'nut and bolt': 'nuts and bolts',
  'fork and knife': 'forks and knives',
  'net with handle': 'nets with handles',
  'nest with eggs': 'nests with eggs',
  'teacup without handle': 'teacups without handles',
  aircraft: 'aircraft',
  snowman: 'snowmen',
  salmon: 'salmon',
  blowfish: 'blowfish',
  jellyfish: 'jellyfish',
  moose: 'moose',
  shrimp: 'shrimp',
  'fried shrimp': 'fried shrimp',
};

/** "an owl", "a unicorn". */
export const an = (noun: string): string => `${article(noun)} ${noun}`;

/** A noun as one says that there is one: with an article, where it takes one. */
export const some = (noun: string): string => (bare.test(noun) || noun.startsWith('the ') ? noun : an(noun));

/** What cannot be counted, but ends as plurals do. */
const single = /tennis$/;

/** "is" of an owl, "are" of glasses. */
export const areOrIs = (noun: string): 'are' | 'is' =>
  bare.test(noun) && noun.endsWith('s') && !single.test(noun) ? 'are' : 'is';

/** Whether one can say how many there are: of bread one cannot. */
export const isCounted = (noun: string): boolean => !bare.test(noun) || areOrIs(noun) === 'are';

/** "there is an owl", "there are glasses" */
export const thereIs = (noun: string): string => `there ${areOrIs(noun)} ${some(noun)}`;

/** "there is no owl", "there are no glasses" */
export const thereIsNo = (noun: string): string => thereIs(noun).replace(some(noun), `no ${noun}`);

export function plural(noun: string): string {
  const known = odd[noun];
  if (known !== undefined) return known;
  if (bare.test(noun)) return noun;
  if (/[^aeiou]y$/.test(noun)) return `${noun.slice(0, -1)}ies`;
  if (/(s|x|z|ch|sh)$/.test(noun)) return `${noun}es`;
  return /(potato|tomato|mosquito|buffalo|volcano|mango)$/.test(noun) ? `${noun}es` : `${noun}s`;
}

/** As a sentence begins. */
export const capitalised = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

export const numberWord = (count: number): string =>
  ['none', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'][count] ?? String(count);

/** "a, b and c" */
export function listed(items: readonly string[]): string {
  if (items.length < 2) return items.join('');
  return `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}
