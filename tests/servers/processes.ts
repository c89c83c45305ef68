/** Servers that a test starts, and ends whatever happens. */
import * as assert from 'uvu/assert';
import { startProcess, type ServerProcess } from '../crash/server-process.ts';
import { clientOf, type Client } from '../flow/client.ts';

type Variables = Readonly<Record<string, string>>;
type Started = Readonly<{ server: ServerProcess; url: string; client: Client }>;

export const processes = () => {
  const started = new Set<ServerProcess>();
  const launched = (variables: Variables): ServerProcess => {
    const server = startProcess(variables);
    started.add(server);
    return server;
  };
  return {
    async start(variables: Variables): Promise<Started> {
      const server = launched(variables);
      return { server, url: await server.url, client: clientOf(await server.url) };
    },
    /** What one that cannot start says. */
    async refusedStart(variables: Variables): Promise<string> {
      const server = launched(variables);
      assert.is((await server.ended).code, 1);
      return server.errors();
    },
    async killAll(): Promise<void> {
      for (const server of started) await server.end('SIGKILL');
      started.clear();
    },
  };
};
