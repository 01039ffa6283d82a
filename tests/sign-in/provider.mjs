// Turns a list of clients and accounts into a running provider of OpenID Connect (npm `oidc-provider`).
import { generateKeyPairSync } from 'node:crypto';
import { Provider } from 'oidc-provider';

/** Who can sign in: any password will do. */
export const ACCOUNTS = {
  ada: { name: 'Ada Lovelace', realm_access: { roles: ['analyst'] }, department: 'maps' },
  alan: { name: 'Alan Turing', realm_access: { roles: ['steward'] } },
  eve: { name: 'Eve <b>', realm_access: { roles: ['reader'] } },
  full: { name: 'Full', realm_access: { roles: Array.from({ length: 400 }, (_, number) => `a-long-role-${number}`) } },
};

/** An API that machines get tokens for. */
export const AUDIENCE = 'https://mesh.example/api';

/**
 * A provider on a free port. `clients` are registered with it; `inIdToken`: whether claims are in the ID token, or are to be
 * asked for at the userinfo endpoint.
 */
export async function startProvider({ port, clients, inIdToken }) {
  const issuer = `http://127.0.0.1:${port}`;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const provider = new Provider(issuer, {
    clients: clients.map((client) => ({ id_token_signed_response_alg: 'RS256', ...client })),
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'first', alg: 'RS256', use: 'sig' }] },
    cookies: { keys: ['a key of this test'] },
    claims: { openid: ['sub'], profile: ['name', 'realm_access', 'department'] },
    conformIdTokenClaims: !inIdToken,
    findAccount: (_, id) => (ACCOUNTS[id] ? { accountId: id, claims: () => ({ sub: id, ...ACCOUNTS[id] }) } : undefined),
    // the operator has agreed for everybody: the gateway is the mesh's own
    loadExistingGrant: async (ctx) => {
      const { Grant } = ctx.oidc.provider;
      const known = ctx.oidc.session.grantIdFor(ctx.oidc.client.clientId);
      if (known) return Grant.find(known);
      const grant = new Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope('openid profile');
      await grant.save();
      return grant;
    },
    extraTokenClaims: (_, token) => (token.kind === 'ClientCredentials' ? { roles: ['analyst'] } : undefined),
    ttl: { AccessToken: 300, AuthorizationCode: 60, ClientCredentials: 300, IdToken: 300, Interaction: 300, Grant: 3600, Session: 3600 },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          scope: 'read',
          audience: resource,
          accessTokenTTL: 300,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  });
  const server = await new Promise((listening) => {
    const started = provider.listen(port, '127.0.0.1', () => listening(started));
  });
  const stop = () => new Promise((stopped) => {
    server.close(stopped);
    server.closeAllConnections();
  });
  return { issuer, stop };
}
