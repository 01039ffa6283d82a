// Apollo Gateway in this process: turns a supergraph's SDL into something that answers operations.
//
// Only for scripts run in a folder where the packages of `package.json` are installed.

import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(path.join(process.cwd(), 'package.json'));
const { ApolloGateway, RemoteGraphQLDataSource } = require('@apollo/gateway');
const graphql = require('graphql');

// Throws what Apollo Gateway has against the supergraph.
export async function loadGateway(supergraphSdl) {
  const gateway = new ApolloGateway({
    supergraphSdl,
    buildService: ({ url }) => new RemoteGraphQLDataSource({ url }),
    logger: { debug() {}, info() {}, warn() {}, error: console.error },
  });
  const { schema } = await gateway.load();
  const ask = async (query, variables = {}) => {
    const document = graphql.parse(query);
    const invalid = graphql.validate(schema, document);
    if (invalid.length > 0) return { errors: invalid };
    // A planner that gives up throws, which a server would answer with an error.
    const answer = await gateway.executor({
      document, queryHash: query, request: { query, variables }, operationName: undefined, metrics: {}, context: {},
      operation: document.definitions.find((one) => one.kind === 'OperationDefinition'), schema, logger: console,
      cache: { get: async () => undefined, set: async () => undefined },
    }).catch((error) => ({ errors: [{ message: String(error) }] }));
    return JSON.parse(JSON.stringify(answer));
  };
  return { ask, stop: () => gateway.stop() };
}
