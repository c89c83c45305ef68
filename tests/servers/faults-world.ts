/** A group, forwarders and publishers on one Kafka, as processes of their own have them, under load. */
import { openCluster, type Cluster } from '../../adapters/kafka/cluster.ts';
import { kafkaFeed } from '../../adapters/kafka/feed.ts';
import { kafkaPublisher } from '../../adapters/kafka/publisher.ts';
import { memoryBookkeeping } from '../../adapters/memory/bookkeeping.ts';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import type { EventEnvelope } from '../../domain/kernel.ts';
import type { BlockedLane } from '../../ports/blocked-lanes.ts';
import type { Checkpoints } from '../../ports/checkpoints.ts';
import { outsidePolicy } from '../../runtime/retry.ts';
import { consume, type RunningConsumer } from '../../runtime/deliver/consume.ts';
import { askForParked, type By } from '../../runtime/deliver/parked.ts';
import { runForward } from '../../runtime/feed/forward.ts';
import { createLeased } from '../../runtime/lease.ts';
import { until } from '../fake-clock.ts';
import { quietLog } from '../quiet-log.ts';
import { process } from '../runtime/process.ts';
import { happening, name } from '../runtime/world.ts';

const WAIT_MS = 120_000;
const PARTITIONS = 6;
const LEASE_MS = 2_000;
const OPERATOR: By = { actor: { id: 'olga', role: 'operator' }, reason: 'mended, or a mistake' };
/** The group of all members. */
export const GROUP = 'tester';
export const STREAMS = Array.from({ length: 24 }, (_, n) => `order-${n}`);

export const soon = (what: string, condition: () => boolean | Promise<boolean>): Promise<void> =>
  until(what, condition, WAIT_MS);

/** On topics that begin with `prefix`. Whatever it opened ends with `close`, the last first. */
export const faultsWorld = (brokers: readonly string[], prefix: string) => {
  const open: Readonly<{ close(): Promise<void> }>[] = [];
  const opened = <T extends Readonly<{ close(): Promise<void> }>>(one: T): T => {
    open.push(one);
    return one;
  };
  const store = memoryEventStore();
  const books = memoryBookkeeping(store.id);
  /** As a process of its own has it. */
  const cluster = (): Cluster =>
    opened(
      openCluster({
        brokers,
        clientId: 'test',
        categories: ['order', 'stock'],
        partitions: PARTITIONS,
        prefix,
        clock: systemClock,
        log: quietLog,
      }),
    );
  const publisher = () => opened(kafkaPublisher(cluster(), { source: `/orderfold/${store.id}` }));
  const parts = { clock: systemClock, log: quietLog, randomness: systemRandomness };
  const leased = () =>
    createLeased({ ...parts, leases: books.leases, holder: systemRandomness.uuid(), ttlMs: LEASE_MS });
  const member = async (
    handle: (event: EventEnvelope, signal: AbortSignal) => Promise<void>,
  ): Promise<RunningConsumer> => {
    const running = await consume({
      ...parts,
      ...books,
      store,
      leased: leased(),
      feed: kafkaFeed({
        ...parts,
        ...books,
        cluster: cluster(),
        store,
        holder: systemRandomness.uuid(),
        sessionMs: 2_000,
      }),
      audit: async () => undefined,
      drainMs: 500,
      consumer: {
        name: GROUP,
        handles: { categories: ['order'], types: ['Happened'] },
        effects: [],
        from: 'beginning',
        concurrency: 16,
        breaker: false,
        onFailure: outsidePolicy,
        handle,
      },
    });
    return opened(running);
  };
  /** A member that does nothing but note what it is handed. */
  const noting = async () => {
    const handled: string[] = [];
    const distinct = new Set<string>();
    await member(async (event) => {
      handled.push(name(event));
      distinct.add(name(event));
    });
    return { handled, distinct };
  };
  const forwarding = { ...parts, ...books, store, category: 'order' };
  const forward = () => opened(runForward({ ...forwarding, publisher: publisher(), leased: leased() }));
  /** Resolves once it is dead: it has published its `pages`th page, and has not recorded it. */
  const forwardUntilDead = (pages: number): Promise<void> => {
    const of = process('a forwarder', systemClock);
    const leases = of.of(books.leases, 'read', 'take', 'renew', 'release');
    return new Promise((dead) => {
      let recorded = 0;
      const save: Checkpoints['save'] = async (...place) => {
        if ((recorded += 1) === pages) {
          of.kill();
          dead();
        }
        await of.runs();
        return books.checkpoints.save(...place);
      };
      runForward({
        ...forwarding,
        clock: of.clock,
        checkpoints: { ...books.checkpoints, save },
        publisher: publisher(),
        leased: createLeased({ ...parts, leases, holder: systemRandomness.uuid(), ttlMs: LEASE_MS }),
      });
    });
  };
  /** What is in a category's topic, as it comes. */
  const published = async (category: string): Promise<readonly string[]> => {
    const found: string[] = [];
    const reader = kafkaFeed({ ...parts, ...books, cluster: cluster(), store, holder: 'reader' });
    const reading = await reader.subscribe(
      'reader',
      { categories: [category], from: 'beginning', batchSize: 500 },
      {
        onAssigned: async () => undefined,
        onBatch: async ({ deliveries }) => void found.push(...deliveries.map(({ event }) => name(event))),
      },
    );
    opened(reading);
    return found;
  };
  const operate = (act: 'retry' | 'discard', lane: BlockedLane) =>
    askForParked(
      { controls: books.controls, clock: systemClock, newId: systemRandomness.uuid },
      act,
      [lane],
      OPERATOR,
    );
  const happen = happening(store, systemClock);
  /** Rounds of an event of each stream, each once `isWanted`, until `isOver`; answers how many. */
  const load = async (isOver: () => boolean, isWanted: (rounds: number) => boolean): Promise<number> => {
    for (let rounds = 0; ; rounds += 1) {
      await soon('another round', () => isOver() || isWanted(rounds));
      if (isOver()) return rounds;
      await happen(...STREAMS);
    }
  };
  const close = async (): Promise<void> => {
    for (let one = open.pop(); one; one = open.pop()) await one.close();
  };
  return {
    store,
    books,
    cluster,
    publisher,
    member,
    noting,
    forward,
    forwardUntilDead,
    published,
    operate,
    load,
    close,
  };
};
