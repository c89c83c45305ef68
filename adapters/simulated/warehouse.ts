/**
 * A warehouse that packs, sends and takes back by itself after a set time, and tells of it until it is heard.
 */
import { setMaxListeners } from 'node:events';
import { createHash } from 'node:crypto';
import { OutsideError } from '../../ports/outside/outside-error.ts';
import type { Clock, Log, Randomness } from '../../ports/system.ts';
import type { Listening } from '../../ports/consumer.ts';
import type { ParcelLine, Report, Warehouse, WarehouseNews } from '../../ports/outside/warehouse.ts';
import type { Ledger } from './ledger.ts';
import { unreliable } from './unreliable.ts';
import { warehouseBooks, type Due, type WarehouseBooks, type WarehouseLedger } from './warehouse-ledger.ts';

export type SimulatedWarehouseOptions = Readonly<{
  /** Where the books are kept. */
  books: Ledger;
  clock: Clock;
  randomness: Randomness;
  /** From request to dispatch, from dispatch to delivery, and from announcement to arrival of a return. */
  latencyMs: number;
  /** Shares of the calls, 0 to 1; see `Rates`. */
  failureRate: number;
  unknownRate?: number;
  log: Log;
}>;

export type SimulatedWarehouse = Warehouse &
  Readonly<{
    ledger: WarehouseLedger;
    /** Goes on with what is on disk. While nobody listens, calls are taken but nothing happens. */
    listen(report: Report): Listening;
    /** Stops telling. */
    close(): Promise<void>;
  }>;

const PROVIDER = 'the simulated warehouse';
const REPORTS_AT_ONCE = 64;
const LONGEST_SLEEP_MS = 60_000;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 30_000;

const withoutSku = (lines: readonly ParcelLine[]): readonly Omit<ParcelLine, 'sku'>[] =>
  lines.map(({ lineId, quantity }) => ({ lineId, quantity }));
const contents = (orderId: string, lines: readonly ParcelLine[]): string =>
  JSON.stringify([orderId, lines.map(({ lineId, sku, quantity }) => [lineId, sku, quantity])]);

/**
 * Does what has fallen due and says what to tell of it; again after a failed report it says the same.
 * Undefined: there is nothing (any more).
 */
const carryOut = (books: WarehouseBooks, due: Due, at: string): WarehouseNews | undefined => {
  const nothing = (): undefined => books.remove(due) as undefined;
  if (!books.isDue(due)) return undefined;
  const { newsId, id } = due;
  if (due.does === 'receive') {
    const record = books.return(id);
    if (!record) return nothing();
    const receivedAt = record.receivedAt ?? at;
    if (!record.receivedAt) books.saveReturn({ ...record, state: 'received', receivedAt });
    return {
      newsId,
      kind: 'return_received',
      returnId: id,
      orderId: record.orderId,
      lines: withoutSku(record.lines),
      restock: true,
      at: receivedAt,
    };
  }
  const shipment = books.shipment(id);
  if (!shipment || shipment.state === 'cancelled') return nothing();
  const { orderId, lines } = shipment;
  const parcelId = `${id}-1`;
  if (due.does === 'dispatch') {
    const dispatchedAt = shipment.dispatchedAt ?? at;
    if (!shipment.dispatchedAt) books.saveShipment({ ...shipment, state: 'dispatched', dispatchedAt });
    const trackingNumber = `SP${createHash('sha256').update(parcelId).digest('hex').slice(0, 12).toUpperCase()}`;
    return {
      newsId,
      kind: 'dispatched',
      shipmentId: id,
      parcelId,
      orderId,
      lines: withoutSku(lines),
      carrier: 'Simulated Parcels',
      trackingNumber,
      at: dispatchedAt,
    };
  }
  const deliveredAt = shipment.deliveredAt ?? at;
  if (!shipment.deliveredAt) books.saveShipment({ ...shipment, state: 'delivered', deliveredAt });
  return { newsId, kind: 'delivered', shipmentId: id, parcelId, orderId, at: deliveredAt };
};

/**
 * The books hold no address: personal data is the real
 * warehouse's to keep. A request without lines or without an address is refused. Calls throw OutsideError: by
 * the rates, and for an id that comes again with other lines.
 */
export const simulatedWarehouse = (options: SimulatedWarehouseOptions): SimulatedWarehouse => {
  const { clock, randomness, latencyMs, log } = options;
  const { ledger, change, first } = warehouseBooks(options.books, PROVIDER);
  const luck = unreliable(
    PROVIDER,
    { failureRate: options.failureRate, unknownRate: options.unknownRate ?? 0 },
    randomness,
  );
  let running: { readonly stop: AbortController; readonly done: Promise<void> } | undefined;
  let sleep: { readonly untilMs: number; readonly wake: AbortController } | undefined;
  const telling = new Map<string, Promise<void>>();

  const iso = (): string => clock.now().toISOString();
  const dueInMs = (ms: number): number => clock.now().getTime() + ms;
  const wakeFor = (dueMs: number): void => {
    if (sleep && dueMs < sleep.untilMs) sleep.wake.abort();
  };
  const unlike = (id: string): OutsideError =>
    new OutsideError(`${id} was asked for before with other contents`, { retriable: false, outcome: 'none' });

  /** The delivery follows once the dispatch was heard, so that one shipment's news come in order. */
  const told = (due: Due): Promise<void> => {
    const dueMs = dueInMs(latencyMs);
    return change((books) => {
      if (!books.isDue(due)) return;
      books.remove(due);
      if (due.does === 'dispatch')
        books.add({ newsId: `${due.id}-delivered`, dueMs, does: 'deliver', id: due.id, attempts: 0 });
    });
  };

  const untold = async (due: Due, error: unknown): Promise<void> => {
    const attempts = due.attempts + 1;
    const backoffMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempts - 1, 20));
    const afterMs = Math.ceil(backoffMs * (0.5 + randomness.fraction() / 2));
    const dueMs = dueInMs(afterMs);
    const reason = error instanceof Error ? error.message : String(error);
    log.warn(
      { newsId: due.newsId, attempts, afterMs, error: reason },
      'news of the simulated warehouse was not taken; it is told again',
    );
    await change((books) => {
      if (!books.isDue(due)) return;
      books.remove(due);
      books.add({ ...due, attempts, dueMs });
    });
  };

  const tell = async (due: Due, to: Report): Promise<void> => {
    const news = await change((books) => carryOut(books, due, iso()));
    if (!news) return;
    try {
      await to(news);
    } catch (error) {
      return untold(due, error);
    }
    await told(due);
  };

  const wait = async (untilMs: number): Promise<void> => {
    const wake = new AbortController();
    sleep = { untilMs, wake };
    await clock.sleep(Math.max(0, untilMs - clock.now().getTime()), wake.signal);
    sleep = undefined;
  };

  /** Starts what is due, `REPORTS_AT_ONCE` at most, and waits for the next, or for a place to come free. */
  const follow = async (to: Report, stop: AbortSignal): Promise<void> => {
    while (!stop.aborted) {
      const nowMs = clock.now().getTime();
      // As many as can be under way at all: so there are always enough among them that are not.
      const earliest = first(REPORTS_AT_ONCE).filter(({ newsId }) => !telling.has(newsId));
      const due = earliest.filter(({ dueMs }) => dueMs <= nowMs).slice(0, REPORTS_AT_ONCE - telling.size);
      for (const one of due) {
        const done = tell(one, to)
          .catch(async (error: unknown) => {
            log.error(
              { newsId: one.newsId, error: String(error) },
              'the simulated warehouse cannot write its books',
            );
            await clock.sleep(FIRST_RETRY_MS, stop);
          })
          .finally(() => {
            telling.delete(one.newsId);
            sleep?.wake.abort();
          });
        telling.set(one.newsId, done);
      }
      const next = telling.size < REPORTS_AT_ONCE ? earliest[due.length]?.dueMs : undefined;
      await wait(Math.min(next ?? Infinity, nowMs + LONGEST_SLEEP_MS));
    }
    await Promise.all(telling.values());
  };

  const stop = async (): Promise<void> => {
    running?.stop.abort();
    sleep?.wake.abort();
    await running?.done;
    running = undefined;
  };

  return {
    ledger,
    listen(report) {
      if (running) throw new Error('the simulated warehouse tells one listener at a time');
      const stopping = new AbortController();
      // Every report that is under way may wait on it.
      setMaxListeners(0, stopping.signal);
      running = { stop: stopping, done: follow(report, stopping.signal) };
      return { stop };
    },
    close: stop,

    requestShipment({ shipmentId, orderId, lines, address }) {
      return luck(async () => {
        const dueMs = dueInMs(latencyMs);
        const answer = await change((books) => {
          const known = books.shipment(shipmentId);
          if (known?.state === 'cancelled')
            return { outcome: 'refused', reason: 'The shipment was cancelled.' } as const;
          if (known && contents(orderId, lines) !== contents(known.orderId, known.lines)) return undefined;
          if (known)
            return known.state === 'refused'
              ? ({ outcome: 'refused', reason: known.reason ?? '' } as const)
              : ({ outcome: 'accepted' } as const);
          const refusal =
            lines.length === 0
              ? 'There is nothing to send.'
              : address === null || address === undefined
                ? 'There is no address to send it to.'
                : undefined;
          const asked = {
            shipmentId,
            orderId,
            lines: lines.map(({ lineId, sku, quantity }) => ({ lineId, sku, quantity })),
            requestedAt: iso(),
          };
          if (refusal !== undefined) {
            books.saveShipment({ ...asked, state: 'refused', reason: refusal });
            return { outcome: 'refused', reason: refusal } as const;
          }
          books.saveShipment({ ...asked, state: 'pending' });
          books.add({
            newsId: `${shipmentId}-dispatched`,
            dueMs,
            does: 'dispatch',
            id: shipmentId,
            attempts: 0,
          });
          return { outcome: 'accepted' } as const;
        });
        wakeFor(dueMs);
        if (!answer) throw unlike(shipmentId);
        return answer;
      });
    },

    cancelShipment({ shipmentId, orderId }) {
      return luck(() =>
        change((books) => {
          const known = books.shipment(shipmentId);
          if (known?.state === 'dispatched' || known?.state === 'delivered')
            return { outcome: 'too_late' } as const;
          // Also what was never asked for: the request may still be on its way and must find this.
          if (known?.state !== 'cancelled')
            books.saveShipment({
              ...(known ?? { shipmentId, orderId, lines: [] }),
              state: 'cancelled',
              cancelledAt: iso(),
            });
          return { outcome: 'cancelled' } as const;
        }),
      );
    },

    expectReturn({ returnId, orderId, lines }) {
      return luck(async () => {
        const dueMs = dueInMs(latencyMs);
        const same = await change((books) => {
          const known = books.return(returnId);
          if (known) return contents(orderId, lines) === contents(known.orderId, known.lines);
          const kept = lines.map(({ lineId, sku, quantity }) => ({ lineId, sku, quantity }));
          books.saveReturn({ returnId, orderId, lines: kept, state: 'expected', expectedAt: iso() });
          books.add({ newsId: `${returnId}-received`, dueMs, does: 'receive', id: returnId, attempts: 0 });
          return true;
        });
        wakeFor(dueMs);
        if (!same) throw unlike(returnId);
      });
    },
  };
};
