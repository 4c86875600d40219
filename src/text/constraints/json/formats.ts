/** The values of `format` that are enforced, as patterns of the whole text. */

const year = '[0-9]{4}';
/** Divisible by four, but by a hundred only where by four hundred. */
const leapYear = '([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)';
const day = '(0[1-9]|1[0-9]|2[0-8])';
const date = `(${year}-((0[1-9]|1[0-2])-${day}|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)|${leapYear}-02-29)`;
const zone = '(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])';
const time = `([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?${zone}`;
const label = '[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?';
const byte = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const group = '[0-9a-fA-F]{1,4}';
const ipv4 = `${byte}(\\.${byte}){3}`;
/** So many groups of an IPv6 address, of which the last two may be written as an IPv4 address. */
const groups = (count: number): string =>
  count < 2 ? `(${group}){${count}}` : `(${group}:){${count - 2}}(${group}:${group}|${ipv4})`;
/** Two colons stand for zeros, with 0 to 6 groups behind them, and as many as are left, or fewer, before. */
const shortened = Array.from({ length: 7 }, (_, i) => `((${group}:){0,${6 - i}}${group})?::${groups(i)}`);
const path = "([a-zA-Z0-9._~!$&'()*+,;=:@/-]|%[0-9a-fA-F]{2})*";

/** RFC 3339, 5322 (names without quotation marks), 1123, 2673, 4291 (section 2.2), 3986 (with a host's name) and 4122. */
export const formats = {
  date,
  time,
  'date-time': `${date}T${time}`,
  duration:
    'P([0-9]{1,9}W|([0-9]{1,9}Y([0-9]{1,9}M([0-9]{1,9}D)?)?|[0-9]{1,9}M([0-9]{1,9}D)?|[0-9]{1,9}D)(T__)?|T__)'.replaceAll(
      '__',
      '([0-9]{1,9}H([0-9]{1,9}M([0-9]{1,9}S)?)?|[0-9]{1,9}M([0-9]{1,9}S)?|[0-9]{1,9}S)',
    ),
  email: `[a-zA-Z0-9_+-]{1,32}(\\.[a-zA-Z0-9_+-]{1,15}){0,2}@${label}(\\.${label}){1,3}`,
  hostname: `${label}(\\.${label}){0,2}`,
  ipv4,
  ipv6: [groups(8), `::${groups(7)}`, ...shortened].join('|'),
  uri: `[a-z][a-z0-9+.-]{0,15}://${label}(\\.${label}){0,3}(:[0-9]{1,4})?(/${path})?(\\?${path})?(#${path})?`,
  uuid: '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}',
} satisfies Readonly<Record<string, string>>;
