// The people and events of a shop that never was: the same for the same moment of its end and the same sizes, on every
// machine. Names are put together from lists of common first and last names; addresses end in the domains that are
// reserved for examples; phone numbers come from the ranges that regulators keep free for film and fiction (Ofcom,
// Bundesnetzagentur, ARCEP, PTS); where a country has no such range, people have no phone.

const DAY_MS = 86_400_000;
const DAYS = 90;
const KNOWN_SHARE = 0.7;

/** Numbers between 0 and 1 from a text (xmur3) by a small generator (mulberry32). */
function chanceFrom(text) {
  let state = 2166136261;
  for (const unit of text) state = Math.imul(state ^ unit.codePointAt(0), 3432918353);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const below = (chance, count) => Math.floor(chance() * count);
const pick = (chance, list) => list[below(chance, list.length)];
const words = (text) => text.split(' ');
const digits = (number, length) => String(number).padStart(length, '0');

const COUNTRIES = [
  {
    weight: 32,
    name: 'Germany',
    language: 'de',
    currency: 'EUR',
    cities: words('Berlin Hamburg München Köln Leipzig Nürnberg Düsseldorf Göttingen'),
    women: words('Anna Lena Jördis Käthe Sabine Mareike Lieselotte Greta Heike Ayşe Frieda Jana'),
    men: words('Jürgen Lukas Björn Moritz Heinz Götz Tobias Emre Matthias Jan Florian Ulrich'),
    last: words('Müller Schäfer Weiß Krüger Hoffmann Böhm Yılmaz Vogel Jäger Lindner Groß Brandt Köhler Seidel'),
    phone: (n) =>
      `+49${['3023125', '4066969', '2214710', '6990009', '8999998'][n % 5]}${digits(Math.floor(n / 5) % 1000, 3)}`,
  },
  {
    weight: 24,
    name: 'France',
    language: 'fr',
    currency: 'EUR',
    cities: words('Paris Lyon Marseille Nîmes Besançon Orléans Nantes Saint-Étienne'),
    women: words('Chloé Amélie Françoise Zoé Inès Camille Héloïse Léa Manon Noémie Salomé Aïcha'),
    men: words('François Rémi Jérôme Loïc Gaël Théo Hugo Étienne Mathieu Benoît Karim Luc'),
    last: words(
      'Lefèvre Girard Noël Béranger Dupré Garçon Moreau Beaulieu Fontaine Rousselle Le-Goff Mercier Petitjean Ménard',
    ),
    phone: (n) => `+3363998${digits(n % 10_000, 4)}`,
  },
  {
    weight: 14,
    name: 'Spain',
    language: 'es',
    currency: 'EUR',
    cities: words('Madrid Barcelona Sevilla Málaga Cádiz Logroño Vigo'),
    women: words('Lucía María Begoña Inés Paula Núria Sofía Araceli Itziar Marta'),
    men: words('José Íñigo Andrés Álvaro Pablo Óscar Jordi Mateo Hernán Rubén'),
    last: words('García Núñez Peña Ibáñez Muñoz Zúñiga Ortega Castaño Pascual Vázquez Iglesias'),
  },
  {
    weight: 10,
    name: 'United Kingdom',
    language: 'en',
    currency: 'GBP',
    cities: words('London Leeds Bristol Glasgow Cardiff Belfast York'),
    women: words('Olivia Siân Niamh Priya Emily Harriet Charlotte Zainab Grace Megan'),
    men: words('Oliver Rhys Callum Arjun George Harry Angus Yusuf Edward Owen'),
    last: words("Smith-Jones Evans O'Connor Patel Hughes Mackenzie Fletcher Begum Ashworth Doyle Whitaker"),
    phone: (n) => `+447700900${digits(n % 1000, 3)}`,
  },
  {
    weight: 8,
    name: 'Italy',
    language: 'it',
    currency: 'EUR',
    cities: words('Roma Milano Torino Napoli Forlì Cefalù Bologna'),
    women: words('Giulia Chiara Letizia Bianca Elettra Noemi Ludovica Serena'),
    men: words('Niccolò Matteo Fabrizio Lorenzo Giosuè Tommaso Davide Pietro'),
    last: words("Rossi D'Amico Nicolò Ferrari Bellini Cantù Marchetti Galli Spanò Colombo"),
  },
  {
    weight: 7,
    name: 'Sweden',
    language: 'sv',
    currency: 'SEK',
    cities: words('Stockholm Göteborg Malmö Umeå Västerås Linköping'),
    women: words('Åsa Märta Elin Ingrid Linnéa Malin Saga Tuva'),
    men: words('Björn Göran Åke Nils Örjan Oskar Viggo Håkan'),
    last: words('Lindström Åkesson Sjöberg Öberg Nyström Hägg Dahl Ekström'),
    phone: (n) =>
      `+46${['846500400', '313900600', '406280400'][n % 3].slice(0, -2)}${digits(Math.floor(n / 3) % 100, 2)}`,
  },
  {
    weight: 5,
    name: 'Poland',
    language: 'pl',
    currency: 'PLN',
    cities: words('Warszawa Kraków Łódź Wrocław Gdańsk Poznań'),
    women: words('Małgorzata Agnieszka Zofia Łucja Katarzyna Wiktoria'),
    men: words('Paweł Łukasz Michał Wojciech Stanisław Jakub'),
    last: words('Wiśniewski-Kot Dąbek Zając Wójcik Kamiński Szczepański Lewandowicz Żak'),
  },
];

const CATALOGUE = [
  [
    'Kitchen',
    [
      ['Enamel Pot', 39.8],
      ['Bread Knife', 24.5],
      ['Espresso Jug', 31.9],
      ['Oak Board', 45],
      ['Moka Lid', 6.2],
    ],
  ],
  [
    'Garden',
    [
      ['Watering Can', 27.9],
      ['Herb Seeds', 3.49],
      ['Pruner', 34],
      ['Bird House', 22.75],
      ['Hose 20 m', 29.95],
    ],
  ],
  [
    'Books',
    [
      ['Atlas of Rivers', 38],
      ['Night Trains', 16.9],
      ['Soup', 21.5],
      ['Small Machines', 27],
      ['Letters', 12],
    ],
  ],
  [
    'Clothes',
    [
      ['Wool Scarf', 49],
      ['Rain Jacket', 119.9],
      ['Linen Shirt', 64.5],
      ['Socks', 8.99],
      ['Felt Hat', 54],
    ],
  ],
  [
    'Toys',
    [
      ['Wooden Train', 44.9],
      ['Kite', 18.4],
      ['Puzzle 1000', 15.99],
      ['Marbles', 5],
      ['Yo-yo', 7.25],
    ],
  ],
  [
    'Desk',
    [
      ['Fountain Pen', 58],
      ['Notebook A5', 9.8],
      ['Desk Lamp', 79.9],
      ['Ink, Blue', 11.2],
      ['Ruler', 4.1],
    ],
  ],
].flatMap(([category, goods], shelf) =>
  goods.map(([name, price], i) => ({ id: 1000 + shelf * 100 + i, name, price, category })),
);

const QUERIES = words('pot scarf lamp kite seeds jacket gift atlas pen soup train hat');
const PAGES = ['/', '/sale', '/new', '/about', '/stores', '/account', '/journal/autumn'];
const SOURCES = ['direct', 'search', 'newsletter', 'social', 'partner'];
/** How much happens in each hour of the day (shop's local time) and on each day of the week (from Sunday). */
const HOURS = [4, 2, 1, 1, 1, 2, 6, 14, 20, 24, 28, 30, 34, 30, 26, 26, 28, 34, 44, 56, 62, 52, 30, 12];
const WEEKDAYS = [1.35, 0.95, 0.9, 0.9, 1, 1.1, 1.3];

/** An index by weights. */
function drawer(weights) {
  const sums = [];
  weights.reduce((sum, weight) => (sums.push(sum + weight), sum + weight), 0);
  return (chance) => {
    const mark = chance() * sums[sums.length - 1];
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle] > mark) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

const drawCountry = drawer(COUNTRIES.map((country) => country.weight));

const ascii = (name) =>
  name
    .replaceAll('ß', 'ss')
    .replaceAll(/[łŁ]/g, 'l')
    .replaceAll('ı', 'i')
    .normalize('NFD')
    .replaceAll(/[^A-Za-z]/g, '')
    .toLowerCase();

/** A time as the REST API writes it. */
export const apiTime = (ms) => `${new Date(ms).toISOString().slice(0, 19)}+0000`;

// ---- people ----

/** @param {number} count @param {number} untilMs @returns {object[]} bodies of /users, with `weight` and `device` beside */
function makePeople(count, untilMs) {
  const chance = chanceFrom('people');
  const known = Math.round(count * KNOWN_SHARE);
  const phones = new Map(COUNTRIES.map((country) => [country, 0]));
  return Array.from({ length: count }, (_, i) =>
    i < known ? knownPerson(chance, i, untilMs, phones) : anonymousPerson(chance, untilMs),
  );
}

/** `phones`: how many numbers of each country are given out. */
function knownPerson(chance, i, untilMs, phones) {
  const country = COUNTRIES[drawCountry(chance)];
  const gender = ['female', 'male', 'female', 'male', 'female', 'male', 'other'][below(chance, 7)];
  const firstName = pick(chance, gender === 'male' ? country.men : country.women);
  const lastName = pick(chance, country.last);
  const birth = untilMs - Math.floor((18 + chance() * chance() * 60) * 365.25 * DAY_MS);
  const domain = pick(chance, ['example.com', 'example.org', 'example.net']);
  const body = { userId: `shop-${digits(10_000 + i, 6)}`, firstName, lastName, gender };
  if (chance() < 0.8) body.birthDate = new Date(birth).toISOString().slice(0, 10);
  if (chance() < 0.93) body.email = `${ascii(firstName)}.${ascii(lastName)}.${i}@${domain}`;
  const hasPhone = chance() < 0.7;
  if (country.phone && hasPhone) {
    body.phone = country.phone(phones.get(country));
    phones.set(country, phones.get(country) + 1);
  }
  if (chance() < 0.06) body.company = `${lastName} & ${pick(chance, ['Co', 'Partner', 'Sons'])}`;
  addOptIns(chance, body);
  body.attributes = knownAttributes(chance, country, untilMs);
  return { body, weight: 0.15 + chance() ** 3 * 6, device: drawDevice(chance), currency: country.currency };
}

/** What a person said about each channel; most say nothing about some, and then the channel's default stands. */
function addOptIns(chance, body) {
  const says = (field, share, yes) => {
    const [heard, agreed] = [chance() < share, chance() < yes];
    if (heard) body[field] = agreed;
  };
  says('emailOptIn', 0.9, 0.72);
  says('smsOptIn', 0.45, 0.4);
  says('whatsappOptIn', 0.4, 0.55);
  says('pushOptIn', 0.5, 0.65);
  says('webPushOptIn', 0.35, 0.3);
  says('inAppOptIn', 0.4, 0.92);
}

function knownAttributes(chance, country, untilMs) {
  const attributes = {
    City: pick(chance, country.cities),
    Country: country.name,
    Language: country.language,
    'Loyalty Tier': pick(chance, ['none', 'none', 'bronze', 'bronze', 'silver', 'gold']),
    'Loyalty Points': below(chance, 4000),
    'Customer Since': apiTime(untilMs - below(chance, 1500) * DAY_MS),
    'Favourite Category': pick(chance, CATALOGUE).category,
    'Total Spent': below(chance, 90_000) / 100,
    'Gift Card': chance() < 0.2,
  };
  if (chance() < 0.4) attributes['Shoe Size'] = 35 + below(chance, 24) / 2;
  if (chance() < 0.3) attributes.Topics = [pick(chance, CATALOGUE).category, pick(chance, CATALOGUE).category];
  return attributes;
}

function anonymousPerson(chance, untilMs) {
  const country = COUNTRIES[drawCountry(chance)];
  const hex = Array.from({ length: 4 }, () => digits(below(chance, 2 ** 32).toString(16), 8)).join('');
  const body = {
    anonymousId: `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`,
  };
  if (chance() < 0.3) body.webPushOptIn = chance() < 0.35;
  if (chance() < 0.15) body.inAppOptIn = chance() < 0.9;
  body.attributes = {
    Country: country.name,
    Language: country.language,
    'First Source': pick(chance, SOURCES),
    'First Seen': apiTime(untilMs - below(chance, DAYS * 24) * 3_600_000),
  };
  return { body, weight: 0.05 + chance() ** 3 * 1.5, device: drawDevice(chance), currency: country.currency };
}

function drawDevice(chance) {
  return pick(chance, ['web', 'web', 'web', 'android', 'android', 'ios']);
}

// ---- events ----

/** One visit: what happens from the first page to an order, with ever fewer coming through. */
function visit(chance, person, number) {
  const onApp = person.device !== 'web';
  const Channel = person.device;
  const steps = [];
  const step = (eventName, seconds, data = {}) =>
    steps.push({ eventName, seconds: 1 + below(chance, seconds), data: Object.assign({ Channel }, data) });
  step(
    onApp ? 'App Launched' : 'Page Viewed',
    5,
    onApp ? { 'App Version': pick(chance, ['3.9.0', '3.9.1', '4.0.2']) } : { Page: '/', Source: pick(chance, SOURCES) },
  );
  if (chance() < 0.35) step('Page Viewed', 40, { Page: pick(chance, PAGES), Source: 'direct' });
  if (chance() < 0.4) step('Searched', 30, { Query: pick(chance, QUERIES), Results: below(chance, 25) });
  const basket = browse(chance, person, step);
  if (basket.length > 0 && chance() < 0.55) checkOut(chance, person, step, basket, number);
  if (person.body.userId && chance() < 0.03)
    step('Review Submitted', 300, { Rating: 1 + below(chance, 5), 'Product ID': pick(chance, CATALOGUE).id });
  if (person.body.userId && chance() < 0.02)
    step('Support Contacted', 400, { Topic: pick(chance, ['delivery', 'return', 'invoice']) });
  return steps;
}

function browse(chance, person, step) {
  const basket = [];
  for (let looks = 1 + below(chance, 4); looks > 0 && chance() < 0.85; looks--) {
    const goods = pick(chance, CATALOGUE);
    const facts = {
      'Product ID': goods.id,
      Product: goods.name,
      Category: goods.category,
      Price: goods.price,
      Currency: person.currency,
    };
    step('Product Viewed', 70, facts);
    if (chance() < 0.08) step('Added to Wishlist', 20, { 'Product ID': goods.id, Product: goods.name });
    if (chance() >= 0.28) continue;
    basket.push({ ...goods, quantity: chance() < 0.8 ? 1 : 2 + below(chance, 3) });
    step('Added to Cart', 40, { ...facts, Quantity: basket[basket.length - 1].quantity });
    if (chance() < 0.1) step('Removed from Cart', 60, { 'Product ID': basket.pop().id });
  }
  return basket;
}

function checkOut(chance, person, step, basket, number) {
  const cents = basket.reduce((sum, goods) => sum + Math.round(goods.price * 100) * goods.quantity, 0);
  const total = { Items: basket.length, Total: cents / 100, Currency: person.currency };
  step('Checkout Started', 60, total);
  if (chance() < 0.2)
    step('Coupon Applied', 30, {
      Coupon: pick(chance, ['AUTUMN10', 'WELCOME5', 'SHIPFREE']),
      Discount: 5 + below(chance, 2) * 5,
    });
  if (chance() < 0.12) {
    step('Payment Failed', 60, { Method: 'card', Reason: pick(chance, ['declined', 'timeout']) });
    if (chance() < 0.5) return;
  }
  if (chance() < 0.25) return;
  step('Order Completed', 90, {
    ...total,
    'Order ID': `O-${digits(number, 7)}`,
    Method: pick(chance, ['card', 'card', 'invoice', 'wallet']),
    Gift: chance() < 0.1,
  });
}

/** When visits begin: by week and hour, over the days up to the end, of which the last is as long as it has been yet. */
function clock(untilMs) {
  const lastDay = Math.floor(untilMs / DAY_MS) * DAY_MS;
  const elapsed = (untilMs - lastDay) / DAY_MS;
  const begins = Array.from({ length: DAYS }, (_, i) => lastDay - (DAYS - 1 - i) * DAY_MS);
  const growth = (i) => 0.8 + (0.4 * i) / DAYS;
  const drawDay = drawer(
    begins.map((day, i) => WEEKDAYS[new Date(day).getUTCDay()] * growth(i) * (day === lastDay ? elapsed : 1)),
  );
  const drawHour = drawer(HOURS);
  return (chance) => {
    const day = begins[drawDay(chance)];
    const inDay = (((drawHour(chance) + 23) % 24) + chance()) * 3_600_000;
    return day === lastDay ? day + inDay * elapsed : day + inDay;
  };
}

/** @returns {object[]} bodies of /events by time, exactly `count` */
function makeEvents(people, count, untilMs) {
  const chance = chanceFrom('events');
  const drawPerson = drawer(people.map((person) => person.weight));
  const drawTime = clock(untilMs);
  const events = [];
  for (let visits = 1; events.length < count && people.length > 0; visits++) {
    const person = people[drawPerson(chance)];
    let at = drawTime(chance);
    for (const { eventName, seconds, data } of visit(chance, person, visits)) {
      at += seconds * 1000;
      if (events.length === count) break;
      events.push({ at: Math.min(Math.floor(at / 1000) * 1000, untilMs), person, eventName, data });
    }
  }
  events.sort((a, b) => a.at - b.at); // stable: what happens in one second keeps its order
  return events.map((event, i) => eventBody(event, `sample-${Math.floor(untilMs / 1000)}-${i}`));
}

function eventBody({ at, person, eventName, data: eventData }, messageId) {
  const { userId, anonymousId } = person.body;
  const eventTime = apiTime(at);
  return userId
    ? { userId, messageId, eventName, eventTime, eventData }
    : { anonymousId, messageId, eventName, eventTime, eventData };
}

/**
 * The data set that ends at `untilMs`.
 * @param {{ people: number, events: number, untilMs: number }} size
 * @returns {{ users: object[], events: object[] }} bodies for /users and /events; events by time
 */
export function makeShop({ people, events, untilMs }) {
  const made = makePeople(people, untilMs);
  return { users: made.map((person) => person.body), events: makeEvents(made, events, untilMs) };
}
