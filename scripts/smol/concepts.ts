/**
 * What Smol can name in drawings: the emoji of animals, food, things, places and games that a person would call by one
 * short name, of those that Noto's categories list. Left out are clocks, phases of the moon, symbols, and pairs of
 * drawings that nobody could tell apart.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { artStyles, packageFolder } from '../nano/art.js';

export interface Concept {
  readonly name: string;
  /** Names of icons that draw it. */
  readonly drawings: readonly string[];
}

const categories = ['Activities', 'Animals & Nature', 'Food & Drink', 'Objects', 'Travel & Places'];

/** Icons that are left out. */
const refused: readonly RegExp[] = [
  /oclock|thirty|-moon|suit$|medal$|mahjong|globe|speaker|mailbox|calendar|card-|-index|file-|folder|-box$/,
  /-button|chart|-arrow|locked|nib|envelope|bookmark|notebook|-book$|page|memo|banknote|money|-tray|paperclips/,
  /^(knot|link|label|id|joker|slot-machine|tanabata-tree|moon-viewing-ceremony|flower-playing-cards|pine-decoration)$/,
  /^(performing-arts|bullseye|sparkles|wing|white-flower|rosette|microbe|leaf-fluttering-in-wind|herb|seedling)$/,
  /^(empty-nest|guide-dog|service-dog|poodle|dodo|phoenix|ewe|water-buffalo|monarch-butterfly|black-bird|black-cat)$/,
  /^(front-facing-baby-chick|orca|muted|construction|flag-in-hole|red-envelope|reminder-ribbon|game-die)$/,
  /^(cooking|pouring-liquid|tumbler-glass|fork-and-knife-with-plate|root-vegetable|flatbread|tamale|mate|fish-cake)/,
  /^(beverage-box|bowl-with-spoon|jar|hot-beverage|ice|brown-mushroom|lime|green-salad|clinking-glasses)$/,
  /^(bell-with-slash|camera-with-flash|dvd|optical-disk|computer-disk|film-frames|musical-notes|incoming-|outbox)/,
  /^(hamsa|nazar-amulet|moai|pager|trackball|control-knobs|level-slider|placard|receipt|ledger|lab-coat|low-battery)$/,
  /^(mobile-phone-with|hammer-and|open-file|rolled-up|round-pushpin|mans-shoe|womans-|flat-shoe|thong|broken-chain)/,
  /^(link|magnifying-glass-tilted-right|old-key|pick|clutch-bag|purse|telephone-receiver|videocassette|unlocked)$/,
  /^(oncoming-|love-hotel|japanese-post|department|convenience|post-office|hotel|bank|office-building|hospital|school)/,
  /^(building-construction|houses|house-with-garden|derelict|cityscape|night-with|bridge-at|sunrise|sunset|milky|fog)/,
  /^(foggy|cyclone|cloud-with|sun-behind|sun-with|umbrella-|closed-umbrella|snowman-without|high-speed|metro|station)$/,
  /^(light-rail|tram|tram-car|mountain-railway|monorail|railway-car|suspension|mountain-cableway|aerial|trolleybus)$/,
  /^(airplane-|small-airplane|police-car-light|hourglass-not|timer-clock|stopwatch|mantelpiece|glowing-star|star)$/,
  /^(wind-face|hot-springs|high-voltage|horizontal-|landslide|map-of|world-map|motorway|kaaba|synagogue|hindu|shinto)/,
  /^(minibus|delivery-truck|sport-utility|passenger-ship|motor-boat|speedboat|snow-capped|national-park|desert)$/,
  /^(beach-with|camping|motorized|bus-stop|seat|brick|wood|rock|wedding|left-|bubbles|dna|petri|x-ray|identification)/,
  /^(aerial-|airplane-|cloud-with|sun-behind|sun-with|suspension-|umbrella-|high-speed|hourglass-not|mantelpiece-)/,
  /^(snow-capped|snowman-without|sport-utility|e-mail|pig-nose|sari|studio-|kitchen-knife|hatching-chick|ballot-box)/,
  /^(womans-hat|clapper|card|chains|coin|diya|funeral|headstone|prayer|spiral-notepad|tear-off|military-helmet)/,
];

/** What is called otherwise than its icon. */
const renamed: Readonly<Record<string, string>> = {
  'lady-beetle': 'ladybug',
  automobile: 'car',
  honeybee: 'bee',
  'articulated-lorry': 'truck',
  'soft-ice-cream': 'ice cream cone',
  'cooked-rice': 'bowl of rice',
  'ear-of-corn': 'corn',
  'bottle-with-popping-cork': 'champagne bottle',
  'american-football': 'football',
  'soccer-ball': 'soccer ball',
  'pool-8-ball': 'billiard ball',
  'two-hump-camel': 'camel',
  ram: 'sheep',
  't-rex': 'dinosaur',
  sauropod: 'long-necked dinosaur',
  'spouting-whale': 'whale',
  'wrapped-gift': 'gift',
  'video-game': 'game controller',
  yarn: 'ball of yarn',
  thread: 'spool of thread',
  'evergreen-tree': 'pine tree',
  'deciduous-tree': 'tree',
  'magnifying-glass-tilted-left': 'magnifying glass',
  'couch-and-lamp': 'couch',
  'closed-book': 'book',
  'roll-of-paper': 'toilet paper',
  'drop-of-blood': 'drop of blood',
  'balance-scale': 'scale',
  'billed-cap': 'cap',
  'classical-building': 'temple',
  'hourglass-done': 'hourglass',
  'vertical-traffic-light': 'traffic light',
  'flying-saucer': 'flying saucer',
  'meat-on-bone': 'meat on the bone',
  'cut-of-meat': 'steak',
  'shallow-pan-of-food': 'pan of food',
  'cup-with-straw': 'soda cup',
  'leafy-green': 'lettuce',
  'green-apple': 'green apple',
  'red-apple': 'red apple',
  'cheese-wedge': 'cheese',
  't-shirt': 't-shirt',
  'yo-yo': 'yo-yo',
  'jack-o-lantern': "jack-o'-lantern",
  'four-leaf-clover': 'four-leaf clover',
  'high-heeled-shoe': 'high-heeled shoe',
};

/** A drawing of the face alone is one of the same animal. */
const faced = /^(cat|cow|dog|dragon|horse|monkey|mouse|pig|rabbit|tiger)(-face)?$/;

export function readConcepts(): Concept[] {
  const noto = artStyles.find(({ name }) => name === 'noto');
  if (!noto) throw new Error('the style noto is not there');
  const file = join(packageFolder(noto), 'metadata.json');
  const listed = (JSON.parse(readFileSync(file, 'utf8')) as { categories: Record<string, string[]> }).categories;
  const drawings = new Map<string, string[]>();
  for (const icon of categories.flatMap((category) => listed[category] ?? [])) {
    if (refused.some((pattern) => pattern.test(icon))) continue;
    const name = faced.exec(icon)?.[1] ?? renamed[icon] ?? icon.replaceAll('-', ' ');
    drawings.set(name, [...(drawings.get(name) ?? []), icon]);
  }
  return [...drawings].map(([name, icons]) => ({ name, drawings: icons })).sort((a, b) => (a.name < b.name ? -1 : 1));
}
