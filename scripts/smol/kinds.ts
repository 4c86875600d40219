/** What may be called by the name of something wider: an owl by "bird", a police car by "car". */

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
