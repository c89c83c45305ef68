/**
 * The simulated outside over HTTP, so that processes on other machines meet the same bank and the same warehouse:
 * `POST /gateway/authorize` and so on, with the call as JSON. News is asked for (`GET /news` waits for some) and each piece
 * answered (`POST /news/ID` says whether it was taken); what is not answered is handed out again.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Listening } from '../../ports/consumer.ts';
import { OutsideError } from '../../ports/outside/outside-error.ts';
import type { PaymentGateway } from '../../ports/outside/payment-gateway.ts';
import type { Warehouse, WarehouseNews } from '../../ports/outside/warehouse.ts';
import type { Clock, Log } from '../../ports/system.ts';

export type Providers = Readonly<{ gateway: PaymentGateway; warehouse: Warehouse }>;

const WAIT_MS = 20_000;
const ANSWER_MS = 30_000;
const AGAIN_MS = 1_000;
const LARGEST_BODY = 1024 * 1024;

type Call = (call: any) => Promise<unknown>;
const callsOf = ({ gateway, warehouse }: Providers): ReadonlyMap<string, Call> =>
  new Map<string, Call>([
    ['/gateway/authorize', (call) => gateway.authorize(call)],
    ['/gateway/abandon', (call) => gateway.abandon(call)],
    ['/gateway/capture', (call) => gateway.capture(call)],
    ['/gateway/void', (call) => gateway.void(call)],
    ['/gateway/refund', (call) => gateway.refund(call)],
    ['/warehouse/request-shipment', (call) => warehouse.requestShipment(call)],
    ['/warehouse/cancel-shipment', (call) => warehouse.cancelShipment(call)],
    ['/warehouse/expect-return', (call) => warehouse.expectReturn(call)],
  ]);

const bodyOf = async (request: IncomingMessage): Promise<unknown> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    chunks.push(chunk as Buffer);
    if ((bytes += (chunk as Buffer).length) > LARGEST_BODY) throw new SyntaxError('the body is too large');
  }
  return JSON.parse(Buffer.concat(chunks).toString());
};

/** News that was told and not answered. */
type Pending = Readonly<{ news: WarehouseNews; taken(): void; refused(error: Error): void }> & {
  handedOutMs: number;
};

export type ServedOutside = Readonly<{ handle: RequestListener; close(): Promise<void> }>;

export const serveOutside = ({
  clock,
  ...providers
}: Providers & Readonly<{ clock: Clock }>): ServedOutside => {
  const calls = callsOf(providers);
  const pending = new Map<string, Pending>();
  const closing = new AbortController();
  let fresh = new AbortController();
  const listening = providers.warehouse.listen?.(
    (news) =>
      new Promise((resolve, reject) => {
        pending.set(news.newsId, { news, taken: resolve, refused: reject, handedOutMs: -Infinity });
        fresh.abort();
        fresh = new AbortController();
      }),
  );

  const answer = (response: ServerResponse, status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body ?? null));
  };
  const takeable = (nowMs: number): Pending[] =>
    [...pending.values()].filter(({ handedOutMs }) => nowMs - handedOutMs >= ANSWER_MS);
  const news = async (response: ServerResponse): Promise<void> => {
    const left = new AbortController();
    response.once('close', () => left.abort());
    let some = takeable(clock.now().getTime());
    if (some.length === 0) {
      const nowMs = clock.now().getTime();
      const againMs = [...pending.values()].map(({ handedOutMs }) => handedOutMs + ANSWER_MS - nowMs);
      const until = AbortSignal.any([fresh.signal, closing.signal, left.signal]);
      await clock.sleep(Math.min(WAIT_MS, ...againMs), until);
      // Who has left while nothing was to be told would be handed what nobody hears.
      if (left.signal.aborted) return;
      some = takeable(clock.now().getTime());
    }
    for (const one of some) one.handedOutMs = clock.now().getTime();
    response.once('close', () => {
      // Nobody has heard it.
      if (!response.writableFinished) for (const one of some) one.handedOutMs = -Infinity;
    });
    answer(
      response,
      200,
      some.map((one) => one.news),
    );
  };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', url = '' } = request;
    if (method === 'GET' && url === '/healthz') return answer(response, 200, { status: 'ok' });
    if (method === 'GET' && url === '/news') return news(response);
    const [, newsId] = /^\/news\/([^/]+)$/.exec(url) ?? [];
    const call = calls.get(url);
    if (method !== 'POST' || (!call && newsId === undefined)) return answer(response, 404, null);
    const body = await bodyOf(request);
    if (call) return answer(response, 200, await call(body));
    const told = pending.get(decodeURIComponent(newsId ?? ''));
    pending.delete(told?.news.newsId ?? '');
    if ((body as { taken?: unknown }).taken === true) told?.taken();
    else told?.refused(new Error('it was not taken'));
    answer(response, 200, null);
  };
  return {
    handle(request, response) {
      handle(request, response).catch((error: unknown) => {
        if (error instanceof OutsideError) {
          const { message, retriable, outcome } = error;
          return answer(response, 503, { message, retriable, outcome });
        }
        answer(response, error instanceof SyntaxError ? 400 : 500, null);
      });
    },
    async close() {
      closing.abort();
      // Told again by whoever serves next.
      for (const { refused } of pending.values()) refused(new Error('it ends'));
      await listening?.stop();
    },
  };
};

/** The outside that is served at `url`. Calls throw OutsideError. */
export const remoteOutside = ({
  url,
  clock,
  log,
}: Readonly<{ url: string; clock: Clock; log: Log }>): Providers => {
  const base = url.replace(/\/$/, '');
  const broke = (cause: unknown): OutsideError =>
    new OutsideError(`the simulated outside at ${base} does not answer`, {
      retriable: true,
      outcome: 'unknown',
      cause,
    });
  const ask = async (path: string, init: RequestInit, signal?: AbortSignal): Promise<unknown> => {
    const late = AbortSignal.timeout(ANSWER_MS);
    const response = await fetch(base + path, {
      ...init,
      signal: signal ? AbortSignal.any([signal, late]) : late,
    }).catch((cause: unknown) => {
      throw broke(cause);
    });
    const body: any = await response.json().catch((cause: unknown) => {
      throw broke(cause);
    });
    if (response.ok) return body;
    throw typeof body?.message === 'string'
      ? new OutsideError(body.message, { retriable: body.retriable === true, outcome: body.outcome })
      : broke(response.status);
  };
  const post = (path: string, body: unknown): Promise<any> =>
    ask(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  const listen: NonNullable<Warehouse['listen']> = (report): Listening => {
    const stopping = new AbortController();
    const tell = async (news: WarehouseNews): Promise<void> => {
      const taken = await report(news).then(
        () => true,
        (error: unknown) => {
          log.warn(
            { newsId: news.newsId, error: String(error) },
            'news of the simulated warehouse was not taken',
          );
          return false;
        },
      );
      await post(`/news/${encodeURIComponent(news.newsId)}`, { taken });
    };
    const follow = async (): Promise<void> => {
      while (!stopping.signal.aborted)
        try {
          const some = (await ask('/news', {}, stopping.signal)) as readonly WarehouseNews[];
          // What cannot be answered for is handed out again.
          await Promise.allSettled(some.map(tell));
        } catch {
          await clock.sleep(AGAIN_MS, stopping.signal);
        }
    };
    const following = follow();
    return {
      async stop() {
        stopping.abort();
        await following;
      },
    };
  };
  return {
    gateway: {
      authorize: (call) => post('/gateway/authorize', call),
      abandon: (call) => post('/gateway/abandon', call),
      capture: (call) => post('/gateway/capture', call),
      void: (call) => post('/gateway/void', call),
      refund: (call) => post('/gateway/refund', call),
    },
    warehouse: {
      requestShipment: (call) => post('/warehouse/request-shipment', call),
      cancelShipment: (call) => post('/warehouse/cancel-shipment', call),
      expectReturn: async (call) => void (await post('/warehouse/expect-return', call)),
      listen,
    },
  };
};
