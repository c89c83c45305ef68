/** What every vault does with keys; the adapters differ in where they keep them. */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomFillSync } from 'node:crypto';
import canonicalize from 'canonicalize';
import { LRUCache } from 'lru-cache';
import type { KeyStore } from '../ports/key-store.ts';
import type { Clock } from '../ports/system.ts';
import { ERASED, VaultUnavailable, type Vault } from '../ports/vault.ts';
import { inTime } from './in-time.ts';

const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const KEY_ID_BYTES = 9;
const CACHED_KEYS = 10_000;
/** How long the store is waited for where a key is at hand, and left alone after it has failed. */
const PATIENCE_MS = 100;
const LEFT_ALONE_MS = 1_000;
const CIPHER = 'aes-256-gcm';

/** Fills what it is given with unpredictable bytes. */
export type RandomBytes = (into: Uint8Array) => void;

type SubjectKey = Readonly<{ wrapped: string; id: string; key: Buffer; fingerprintKey: Buffer }>;

/**
 * Random bytes drawn in blocks: a call of the system for every few bytes would cost more than the encryption.
 */
const drawing = (random: RandomBytes): ((bytes: number) => Buffer) => {
  const block = Buffer.alloc(3072);
  let used = block.length;
  return (bytes) => {
    if (used + bytes > block.length) {
      random(block);
      used = 0;
    }
    used += bytes;
    return Buffer.from(block.subarray(used - bytes, used));
  };
};

const encrypt = (key: Buffer, iv: Buffer, plain: string | Buffer, bound: string): string => {
  const cipher = createCipheriv(CIPHER, key, iv).setAAD(Buffer.from(bound));
  const body = typeof plain === 'string' ? cipher.update(plain, 'utf8') : cipher.update(plain);
  cipher.final();
  return Buffer.concat([iv, body, cipher.getAuthTag()]).toString('base64url');
};
/** Throws when `box` was made with another key, for another `bound`, or was changed. */
const decrypt = (key: Buffer, box: string, bound: string): Buffer => {
  const bytes = Buffer.from(box, 'base64url');
  if (bytes.length < IV_BYTES + TAG_BYTES) throw new Error('a box is cut short');
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, IV_BYTES), {
    authTagLength: TAG_BYTES,
  }).setAAD(Buffer.from(bound));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
};

/** A text that tells later whether a master key is the one it was made with. */
const masterKeyProof = (masterKey: Buffer): string =>
  createHmac('sha256', masterKey).update('orderfold vault').digest('base64url');

/**
 * A vault over `store`. A subject's key is 32 random bytes with a random id; it seals with AES-256-GCM, bound
 * to subject and key id, and is itself wrapped by the 32-byte `masterKey` in the same way. A box of a key
 * that is gone, or that was replaced by a later one, reads as ERASED. Up to 10,000 unwrapped keys stay in
 * memory, each used only while the store still holds the wrapped one, so that an erasure by any process
 * counts at once.
 *
 * `clock`: of a store that is a server. While it does not answer, keys that are in memory are used as they are: nobody
 * else can erase one then, unless it is this process alone that does not reach it.
 */
export const keyVault = (
  store: KeyStore,
  masterKey: Buffer,
  random: RandomBytes = (into) => void randomFillSync(into),
  clock?: Clock,
): Vault => {
  if (masterKey.length !== KEY_BYTES)
    throw new RangeError(`a master key has ${KEY_BYTES} bytes, not ${masterKey.length}`);
  const draw = drawing(random);
  const cache = new LRUCache<string, SubjectKey>({ max: CACHED_KEYS });
  const making = new Map<string, Promise<string>>();
  const reading = new Map<string, Promise<SubjectKey | undefined>>();
  const boundTo = (subject: string, id: string): string => `${id}\n${subject}`;

  const wrap = (subject: string): string => {
    const id = draw(KEY_ID_BYTES).toString('base64url');
    return `${id}.${encrypt(masterKey, draw(IV_BYTES), draw(KEY_BYTES), boundTo(subject, id))}`;
  };
  const unwrap = (subject: string, wrapped: string): SubjectKey => {
    const cached = cache.get(subject);
    if (cached?.wrapped === wrapped) return cached;
    const id = wrapped.slice(0, wrapped.indexOf('.'));
    let key: Buffer;
    try {
      key = decrypt(masterKey, wrapped.slice(id.length + 1), boundTo(subject, id));
    } catch (cause) {
      throw new VaultUnavailable(
        'a key cannot be unwrapped: it was changed, or made under another master key',
        { cause },
      );
    }
    const made: SubjectKey = {
      wrapped,
      id,
      key,
      fingerprintKey: Buffer.from(hkdfSync('sha256', key, '', 'fingerprint', KEY_BYTES)),
    };
    cache.set(subject, made);
    return made;
  };
  const read = async (subject: string): Promise<SubjectKey | undefined> => {
    const wrapped = await store.get(subject).finally(() => reading.delete(subject));
    if (wrapped !== undefined) return unwrap(subject, wrapped);
    cache.delete(subject);
    return undefined;
  };
  /**
   * The subject's key, if it has one: a cached copy goes when the store's is gone. What is sealed at once, as the parts
   * of an order are, asks the store once.
   */
  const existing = (subject: string): Promise<SubjectKey | undefined> => {
    let underWay = reading.get(subject);
    if (!underWay) reading.set(subject, (underWay = read(subject)));
    return underWay;
  };
  /** Questions that the store did not answer in time, or failed to answer a moment ago: it is asked no more until then. */
  const unanswered = new Set<Promise<unknown>>();
  const noteUnanswered = async (asked: Promise<unknown>, { sleep }: Clock): Promise<void> => {
    if (unanswered.has(asked)) return;
    unanswered.add(asked);
    await asked.catch(() => sleep(LEFT_ALONE_MS));
    unanswered.delete(asked);
  };
  /** The subject's key, if it has one, as far as can be told. */
  const current = async (subject: string): Promise<SubjectKey | undefined> => {
    const held = clock && cache.get(subject);
    if (!held) return existing(subject);
    if (unanswered.size > 0) return held;
    const asked = existing(subject);
    try {
      return await inTime(clock, PATIENCE_MS, asked, () => new VaultUnavailable('the key store is late'));
    } catch (error) {
      if (!(error instanceof VaultUnavailable)) throw error;
      void noteUnanswered(asked, clock);
      return held;
    }
  };
  /** The subject's key, made at first use: durable before anything is sealed with it. */
  const made = async (subject: string): Promise<SubjectKey> => {
    const there = making.has(subject) ? undefined : await current(subject);
    if (there) return there;
    let underWay = making.get(subject);
    if (!underWay) {
      underWay = store.putIfAbsent(subject, wrap(subject)).finally(() => making.delete(subject));
      making.set(subject, underWay);
    }
    return unwrap(subject, await underWay);
  };

  return {
    async seal(subject, value) {
      const { id, key } = await made(subject);
      const text = JSON.stringify(value);
      if (text === undefined) throw new TypeError('only a JSON value can be sealed');
      return { subject, key: id, box: encrypt(key, draw(IV_BYTES), text, boundTo(subject, id)) };
    },
    async open({ subject, key: id, box }) {
      const held = await current(subject);
      if (held?.id !== id) return ERASED;
      return JSON.parse(decrypt(held.key, box, boundTo(subject, id)).toString()) as unknown;
    },
    async fingerprint(subject, value) {
      const { fingerprintKey } = await made(subject);
      const text = canonicalize(value);
      if (text === undefined) throw new TypeError('only a JSON value has a fingerprint');
      return createHmac('sha256', fingerprintKey).update(text).digest('hex');
    },
    async erase(subject) {
      await making.get(subject)?.catch(() => undefined);
      await store.remove(subject);
      cache.delete(subject);
    },
    async close() {
      await Promise.allSettled(making.values());
      cache.clear();
      await store.close();
    },
  };
};

/**
 * A vault over `store`, which it closes. Throws VaultUnavailable when the keys there were made under another
 * `masterKey` (32 bytes). `clock`: of a store that is a server.
 */
export const openVault = async (store: KeyStore, masterKey: Buffer, clock?: Clock): Promise<Vault> => {
  const vault = keyVault(store, masterKey, undefined, clock);
  const proof = masterKeyProof(masterKey);
  const wrong =
    'the keys were made under another master key: start with that one (MASTER_KEY, or the file that was kept)';
  try {
    if ((await store.prove(proof)) !== proof) throw new VaultUnavailable(wrong);
    return vault;
  } catch (error) {
    await store.close();
    throw error;
  }
};
