/**
 * The things that nano knows: their names and the emoji that draw them.
 *
 * A drawing is named as in CLDR's emoji annotations; names after a bar are what some art sets call the same
 * picture. Chosen by looking at contact sheets (`make-sheet.ts`): every drawing is recognisable in every style.
 */

export interface ObjectKind {
  readonly name: string;
  readonly plural: string;
  readonly category: Category;
  /** Each drawing lists the names to try, in order. */
  readonly drawings: readonly (readonly string[])[];
  /** May be repainted in any hue: things that come in all colours. */
  readonly paintable: boolean;
}

/** Groups from which look-alikes are drawn into one scene. */
export type Category = 'animal' | 'food' | 'plant' | 'vehicle' | 'thing';

/** One line a thing: `name (plural) = drawing, drawing`; `*` marks what may be repainted. */
const table: Record<Category, string> = {
  animal: `
    dog = dog-face|dog
    cat = cat-face|cat
    rabbit = rabbit-face|bunny|rabbit
    panda = panda|panda-face
    lion = lion|lion-face
    pig = pig-face|pig
    frog = frog|frog-face
    penguin = penguin
    owl = owl
    fox (foxes) = fox|fox-face
    elephant = elephant
    bee = honeybee
    butterfly (butterflies) = butterfly
    snail = snail
    ladybug = lady-beetle
    turtle = turtle
    octopus (octopuses) = octopus
    crab = crab
    fish (fish) = fish, tropical-fish
    chick = baby-chick`,
  food: `
    apple = red-apple, green-apple
    strawberry (strawberries) = strawberry
    watermelon = watermelon
    lemon = lemon
    banana = banana
    pineapple = pineapple
    bunch of grapes (bunches of grapes) = grapes
    eggplant = eggplant|aubergine
    carrot = carrot
    mushroom = mushroom
    pumpkin = jack-o-lantern
    hamburger = hamburger
    pizza = pizza|sliceofpizza
    doughnut = doughnut
    ice cream = soft-ice-cream
    piece of cheese (pieces of cheese) = cheese-wedge`,
  plant: `
    cactus (cactuses) = cactus
    pine tree = evergreen-tree|evergreen
    palm tree = palm-tree
    sunflower = sunflower
    clover = four-leaf-clover`,
  vehicle: `
    car* = automobile
    bus* (buses) = bus
    bicycle* = bicycle
    airplane = airplane
    rocket = rocket
    helicopter* = helicopter`,
  thing: `
    house* = house|housebuilding
    soccer ball = soccer-ball
    basketball = basketball
    key = key
    bell = bell
    clock* = alarm-clock
    book* = closed-book, green-book, blue-book, orange-book
    umbrella* = umbrella
    balloon* = balloon
    gift* = wrapped-gift|present
    camera = camera
    guitar = guitar
    anchor = anchor
    light bulb = light-bulb
    crown = crown
    star* = star|whitemediumstar
    heart* = red-heart, blue-heart|heartblue, green-heart|heartgreen, yellow-heart|heartyellow, purple-heart|heartpurple
    moon = crescent-moon
    sun = sun|sunrays
    cloud = cloud
    snowflake = snowflake
    snowman (snowmen) = snowman-without-snow
    flame = fire
    robot = robot|robot-face
    skull = skull`,
};

/** Drawings under the right name that show something else, or a whole scene in a frame. */
export const misleading: Readonly<Record<string, readonly string[]>> = {
  fxemoji: ['snowman', 'umbrella', 'heartblue'],
  'streamline-emojis': ['snowman'],
};

function parseLine(line: string, category: Category): ObjectKind {
  const [left, right] = line.split('=').map((side) => side.trim()) as [string, string];
  const plural = /\(([^)]+)\)/.exec(left)?.[1];
  const paintable = left.includes('*');
  const name = left.replace(/\(.*\)|\*/g, '').trim();
  const drawings = right.split(',').map((drawing) => drawing.trim().split('|'));
  return { name, plural: plural ?? `${name}s`, category, drawings, paintable };
}

/** Every thing, in a fixed order. */
export const objects: readonly ObjectKind[] = Object.entries(table).flatMap(([category, lines]) =>
  lines
    .trim()
    .split('\n')
    .map((line) => parseLine(line, category as Category)),
);

/** "a" or "an" before a word. */
export function article(word: string): string {
  return /^(?:[ai]|e(?!u)|o(?!ne\b)|u(?!ni|til|kul)|hour|x-ray)/i.test(word) ? 'an' : 'a';
}
