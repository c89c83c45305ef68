/** A certificate of this machine's loopback address that signs itself, for servers that tests reach by TLS. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** PEM; `path`: of the certificate alone, for who is to trust it. Gone with the test. */
export type Certificate = Readonly<{ key: string; cert: string; path: string }>;
/** A server that is reached by TLS, by who has this name and password. */
export type Secured = Pick<Certificate, 'key' | 'cert'> & Readonly<{ user: string; password: string }>;

/** Made by openssl, which comes with what Java needs. */
export const makeCertificate = (): Certificate => {
  const folder = mkdtempSync(join(tmpdir(), 'orderfold-tls-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const [key, path] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const { status, stderr, error } = spawnSync(
    'openssl',
    'req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1'
      .split(' ')
      .concat('-keyout', key, '-out', path),
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`a certificate cannot be made: ${error?.message ?? stderr}`);
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(path, 'utf8'), path };
};
