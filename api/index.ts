/** The HTTP API as an express application, put together from the declared routes. */
import express, { type NextFunction, type Request, type Response } from 'express';
import type { ApiDeps } from './deps.ts';
import { problem, problemOf, sparing } from './problems.ts';
import type { Route } from './route.ts';
import { routes } from './routes/index.ts';
import { send, serve } from './serve.ts';

export type { ApiDeps, Readiness } from './deps.ts';
export { devAuthentication, jwksAuthentication, type Authentication, type Principal } from './auth.ts';

/** `/orders/{id}` as express writes it. */
const expressPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1');

const byPath = (all: readonly Route[]): Map<string, Route[]> => {
  const paths = new Map<string, Route[]>();
  for (const route of all) paths.set(route.path, [...(paths.get(route.path) ?? []), route]);
  return paths;
};

/** The application; whoever calls it listens. It holds nothing open itself. */
export const createApi = (given: ApiDeps): express.Express => {
  const deps = { ...given, log: sparing(given.log, given.clock) };
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('query parser', 'simple');
  app.enable('case sensitive routing');
  for (const [path, declared] of byPath(routes)) {
    const at = app.route(expressPath(path));
    for (const one of declared) at[one.method](serve(one, deps));
    const methods = declared.map(({ method }) => method.toUpperCase());
    const allow = [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].join(', ');
    at.all((request, response) =>
      send(
        response,
        problem('method_not_allowed', `${request.method} is not possible here; ${allow} is.`, {
          headers: { Allow: allow },
        }),
      ),
    );
  }
  app.use((_request: Request, response: Response) =>
    send(
      response,
      problem('no_such_route', 'There is nothing at this address; /openapi.json lists what there is.'),
    ),
  );
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) =>
    send(response, problemOf(error, deps.log, { method: request.method, path: '(unrouted)' })),
  );
  return app;
};
