// An OAuth server that is not ours: npm's oidc-provider, as near to its defaults as these tests allow. On loopback,
// ports of its own choice, all state in memory.
//
// The first line of its input is the settings, in JSON:
//   tls           {certificate, key}: files, for the issuer https://localhost:PORT; the same is served by http, too
//   secret        of the client "with-secret"
//   certificates  PEM, those of the clients "with-certificate" and "native-with-certificate"
//   public_key    a file to write the key to that access tokens are checked with
// Each further line is a command:
//   {"lifetime": N}   access tokens live for so many seconds from now on (one hour at first)
//   {"revoke": true}  forgets all that users have granted
// Its output is JSON, too, a line for each event: "ready", "done" (a command), and what it gave and refused.
// It ends with its input.

import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import * as readline from 'node:readline';

import Provider from 'oidc-provider';

const RESOURCE = 'https://imap.example.org/';
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

// The output belongs to the events; the library warns of what only this process could lack.
console.info = console.error;

function tell(event, facts = {}) {
  process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`);
}

function jwkOf(certificate) {
  const { publicKey, raw } = new crypto.X509Certificate(certificate);
  const thumbprint = crypto.createHash('sha256').update(raw).digest('base64url');
  return { ...publicKey.export({ format: 'jwk' }), use: 'sig', 'x5t#S256': thumbprint };
}

function clientsOf({ secret, certificates }) {
  const application = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };
  const native = {
    application_type: 'native',
    grant_types: ['authorization_code', DEVICE_CODE, 'refresh_token'],
    redirect_uris: ['http://localhost/'], // Any port: RFC 8252 section 7.3.
    response_types: ['code'],
  };
  const withSecret = { token_endpoint_auth_method: 'client_secret_post', client_secret: secret };
  const withCertificate = {
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: certificates.map(jwkOf) },
  };
  return [
    { ...application, client_id: 'with-secret', ...withSecret },
    { ...application, client_id: 'with-certificate', ...withCertificate },
    { ...native, client_id: 'native', token_endpoint_auth_method: 'none' },
    { ...native, client_id: 'native-with-certificate', ...withCertificate },
  ];
}

function configurationOf(settings, signingKey, state) {
  return {
    clients: clientsOf(settings),
    clientAuthMethods: ['none', 'client_secret_post', 'private_key_jwt'],
    cookies: { keys: [crypto.randomBytes(32).toString('hex')] },
    findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
    // Dovecot looks for the key by this name.
    jwks: { keys: [{ ...signingKey.export({ format: 'jwk' }), alg: 'RS256', kid: 'default', use: 'sig' }] },
    rotateRefreshToken: true,
    // Dovecot 2.3 takes no other type; "at+jwt" (RFC 9068) is the library's.
    formats: { customizers: { jwt: (ctx, token, jwt) => { jwt.header = { typ: 'JWT' }; } } },
    features: {
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => RESOURCE,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          accessTokenFormat: 'jwt',
          accessTokenTTL: state.lifetime,
          audience: RESOURCE,
          jwt: { sign: { alg: 'RS256' } },
          scope: 'imap',
        }),
      },
    },
  };
}

// Without secrets and tokens.
function factsOf({ oidc }) {
  const { params = {} } = oidc ?? {};
  const facts = { client_id: oidc?.client?.clientId, grant_type: params.grant_type, scope: params.scope };
  if (params.client_assertion) {
    const [header] = params.client_assertion.split('.');
    try {
      facts.algorithm = JSON.parse(Buffer.from(header, 'base64url')).alg;
    } catch {
      facts.algorithm = 'unreadable';
    }
  }
  return facts;
}

function tellEvents(provider, state) {
  provider.on('grant.success', (ctx) => {
    if (ctx.oidc.entities.Grant) state.grants.add(ctx.oidc.entities.Grant.jti);
    tell('grant', { ...factsOf(ctx), rotated: 'RotatedRefreshToken' in ctx.oidc.entities });
  });
  provider.on('authorization.accepted', (ctx) => {
    tell('authorization', { ...factsOf(ctx), code_challenge_method: ctx.oidc.params.code_challenge_method });
  });
  for (const name of ['grant.error', 'authorization.error', 'device_authorization.error', 'server_error']) {
    provider.on(name, (ctx, error) => {
      const description = error.error_description ?? String(error);
      tell('error', { ...factsOf(ctx), where: name, error: error.error, description, detail: error.error_detail });
    });
  }
  provider.on('grant.revoked', (ctx) => tell('error', { ...factsOf(ctx), where: 'grant.revoked', error: 'revoked' }));
}

function listen(server) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server.address().port));
  });
}

async function obey(command, provider, state) {
  if (command.lifetime !== undefined) state.lifetime = command.lifetime;
  if (command.revoke) {
    for (const id of state.grants) await (await provider.Grant.find(id))?.destroy();
    state.grants.clear();
  }
  tell('done');
}

const input = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const settings = JSON.parse((await input.next()).value);
const { publicKey, privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
fs.writeFileSync(settings.public_key, publicKey.export({ type: 'spki', format: 'pem' }));

const state = { lifetime: 3600, grants: new Set() };
let answer;
const handle = (request, response) => answer(request, response);
const tls = { cert: fs.readFileSync(settings.tls.certificate), key: fs.readFileSync(settings.tls.key) };
const port = await listen(https.createServer(tls, handle));
const plainPort = await listen(http.createServer(handle));
const issuer = `https://localhost:${port}`;
const provider = new Provider(issuer, configurationOf(settings, privateKey, state));
answer = provider.callback();
tellEvents(provider, state);
tell('ready', { issuer, port, plain_port: plainPort, public_key: settings.public_key });

for await (const line of input) await obey(JSON.parse(line), provider, state);
process.exit(0);
