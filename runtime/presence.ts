/** What each process tells of itself, so that any of them can show what all of them do. */
import type { Actor } from '../domain/kernel.ts';
import type { Control, Controls } from '../ports/controls.ts';
import type { Clock, Log } from '../ports/system.ts';
import type { ConsumerStatus } from './deliver/consume.ts';
import type { ForwardStatus } from './feed/forward.ts';
import { nameOf } from './retry.ts';
import type { ProjectionStatus } from './view/project.ts';
import { within } from './wake.ts';

/** `host`, `pid`: where it runs, for people. `startedAt`: ISO 8601, as the other times. */
export type About = Readonly<{ roles: readonly string[]; host: string; pid: number; startedAt: string }>;
/** What runs in a process. */
export type Work = Readonly<{
  consumers: readonly ConsumerStatus[];
  views: readonly ProjectionStatus[];
  forward: readonly (ForwardStatus & Readonly<{ category: string }>)[];
}>;
/** `at`: when it told that. `silent`: it should have told again since; it may have been killed, or be cut off. */
export type Presence = About & Work & Readonly<{ id: string; at: string; silent: boolean }>;

export type Presences = Readonly<{
  /** Of every process that has not ended: this one as it is now, the others in the order in which they began. */
  all(): Promise<readonly Presence[]>;
  /** Starts to tell every two seconds what runs here. Answers how to stop, which tells that it ends. */
  announce(): () => Promise<void>;
}>;

const TARGET = 'process';
const SYSTEM: Actor = { id: 'process', role: 'system' };
const BEAT_MS = 2_000;
/** Clocks of machines agree within seconds. */
const SILENT_MS = 15_000;
/** Nobody waits any more for one that has been silent for so long. */
const GONE_MS = 3_600_000;
const MOST = 1_000;
const FAREWELL_MS = 1_000;

type Told = Readonly<{ at: string }> & Work;

const toldOf = ({ progress }: Control): Told | undefined => progress as Told | undefined;

/** Processes that tell of themselves, by what changes while they do. */
export const tellers = async (controls: Pick<Controls, 'open'>): Promise<ReadonlyMap<string, string>> =>
  new Map(
    (await controls.open([TARGET], MOST)).map((control) => {
      const { roles, pid } = control.what as About;
      return [`${roles.join(',')} (${pid})`, `${control.id} ${toldOf(control)?.at}`] as const;
    }),
  );

export const createPresences = (
  { controls, clock, log, newId }: Readonly<{ controls: Controls; clock: Clock; log: Log; newId(): string }>,
  where: Omit<About, 'startedAt'>,
  work: () => Work,
): Presences => {
  const now = (): string => clock.now().toISOString();
  const sinceMs = (at: string): number => clock.now().getTime() - Date.parse(at);
  const about: About = { ...where, startedAt: now() };
  let own: string | undefined;

  const tell = async (): Promise<void> => {
    if (own === undefined) {
      const id = newId();
      const reason = 'a process that runs';
      await controls.ask({ id, target: TARGET, what: about, actor: SYSTEM, reason, askedAt: now() });
      own = id;
    }
    const told: Told = { at: now(), ...work() };
    // Taken for gone, by somebody whose clock is wrong: it begins anew.
    if ((await controls.report(own, { progress: told })) === 'refused') own = undefined;
  };
  const clearAway = async (): Promise<void> => {
    for (const control of await controls.open([TARGET], MOST))
      if (sinceMs(toldOf(control)?.at ?? control.askedAt) > GONE_MS)
        await controls.report(control.id, { progress: control.progress, endedAt: now() });
  };
  const keepTelling = async (signal: AbortSignal): Promise<void> => {
    for (let cleared = false; !signal.aborted; await clock.sleep(BEAT_MS, signal))
      try {
        if (!cleared) await clearAway();
        cleared = true;
        await tell();
      } catch (error) {
        log.warn({ error: nameOf(error) }, 'what this process does cannot be told to others; trying again');
      }
  };

  return {
    async all() {
      const open = await controls.open([TARGET], MOST);
      const others = open.flatMap((control): Presence[] => {
        const told = toldOf(control);
        if (!told || control.id === own) return [];
        const silent = sinceMs(told.at) > SILENT_MS;
        return [{ ...(control.what as About), ...told, id: control.id, silent }];
      });
      return [{ ...about, ...work(), id: own ?? '', at: now(), silent: false }, ...others];
    },
    announce() {
      const stop = new AbortController();
      const telling = keepTelling(stop.signal);
      const farewell = async (): Promise<void> => {
        await telling;
        if (own !== undefined)
          await controls.report(own, { progress: { at: now(), ...work() }, endedAt: now() });
      };
      return async () => {
        stop.abort();
        // Should they be away, silence says it too.
        await within(
          clock,
          FAREWELL_MS,
          farewell().catch(() => undefined),
        );
      };
    },
  };
};
