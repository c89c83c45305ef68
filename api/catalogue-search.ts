/** Finding products by how words begin, a page at a time, each product once. */
import type { ViewReader } from '../runtime/view/read.ts';
import type { CatalogueRow } from '../projections/catalogue.ts';
import { BadCursor, findPage } from './cursor.ts';

/** Words of a name, folded as the view folds them. */
export const wordsOf = (text: string): string[] => [
  ...new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []),
];

/** Rows looked at for one request; a page that is not full by then still says where the next one starts. */
const SCAN_ROWS = 1_000;
const LAST = '\u{10ffff}';

/** A place in the index: the word under which a product stands, then its SKU. */
type Place = Readonly<{ word: string; sku: string }>;
const isBehind = (a: Place, b: Place): boolean => a.word > b.word || (a.word === b.word && a.sku > b.sku);

const encode = (cursor: string, { word, sku }: Place): string =>
  Buffer.from(JSON.stringify([cursor, word, sku])).toString('base64url');
const decode = (text: string): Readonly<{ cursor: string; place: Place }> => {
  try {
    const [cursor, word, sku] = JSON.parse(Buffer.from(text, 'base64url').toString()) as unknown[];
    if (typeof cursor === 'string' && typeof word === 'string' && typeof sku === 'string')
      return { cursor, place: { word, sku } };
  } catch {
    // Falls through: it is no cursor of ours.
  }
  throw new BadCursor();
};

type Page = Readonly<{ rows: readonly CatalogueRow[]; next: string | null }>;

/** `search` undefined or without a letter or digit: all that is listed, by SKU. Throws BadCursor. */
export const searchCatalogue = async (
  view: ViewReader<CatalogueRow>,
  search: string | undefined,
  cursor: string | undefined,
  limit: number,
): Promise<Page> => {
  const wanted = wordsOf(search ?? '');
  if (search === undefined || wanted.length === 0) {
    const { rows, next } = await findPage(view, {
      index: 'listed',
      prefix: [],
      limit,
      ...(cursor === undefined ? {} : { after: cursor }),
    });
    return { rows: rows.map(({ doc }) => doc), next };
  }
  const whole = search.trim().toLowerCase();
  // A SKU is one word of the index, dashes and all: what may be one is looked for by its beginning.
  const by = /\s/.test(whole)
    ? wanted.reduce((longest, word) => (word.length > longest.length ? word : longest))
    : (wanted[0] ?? '');
  const matches = ({ name, sku }: CatalogueRow): boolean => {
    const words = [...wordsOf(name), ...wordsOf(sku), sku.toLowerCase()];
    return (
      sku.toLowerCase().startsWith(whole) ||
      wanted.every((want) => words.some((word) => word.startsWith(want)))
    );
  };
  // A product stands in the index once for each of its words that begin with `by`, and is shown at the first
  // of them.
  const places = ({ name, sku }: CatalogueRow): Place[] =>
    [...new Set([...wordsOf(name), sku.toLowerCase()])]
      .filter((word) => word.startsWith(by))
      .sort()
      .map((word) => ({ word, sku }));

  const start = cursor === undefined ? undefined : decode(cursor);
  let after = start?.cursor;
  let reached: Place = start?.place ?? { word: '', sku: '' };
  const shown = new Map<string, CatalogueRow>();
  for (let scanned = 0; scanned < SCAN_ROWS;) {
    const found = await findPage(view, {
      index: 'word',
      prefix: [],
      from: by,
      to: by + LAST,
      limit: Math.min(200, SCAN_ROWS - scanned),
      ...(after === undefined ? {} : { after }),
    });
    for (const [index, { doc, cursor: behind }] of found.rows.entries()) {
      scanned += 1;
      after = behind;
      const [first, ...others] = places(doc);
      if (first && matches(doc) && (start === undefined || isBehind(first, start.place)))
        shown.set(doc.sku, doc);
      // At the latest here: the first of its places that can come next.
      reached = [...(first ? [first] : []), ...others].find((place) => isBehind(place, reached)) ?? reached;
      const last = index === found.rows.length - 1 && found.next === null;
      if (shown.size >= limit)
        return { rows: [...shown.values()], next: last ? null : encode(behind, reached) };
    }
    if (found.next === null || found.rows.length === 0) return { rows: [...shown.values()], next: null };
  }
  return { rows: [...shown.values()], next: after === undefined ? null : encode(after, reached) };
};
