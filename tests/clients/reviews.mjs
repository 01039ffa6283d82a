// Turns the packages @apollo/server, @apollo/subgraph and graphql-ws into a subgraph with reviews of countries, in this
// process: queries and mutations over HTTP, subscriptions over a WebSocket.
import { EventEmitter, on, once } from 'node:events';
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { parse } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';

export const sdl = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])
  type Query { latestReview: Review }
  type Mutation { review(code: ID!, text: String!): Review! }
  type Subscription { reviewed: Review! }
  type Review { text: String! country: Country! }
  type Country @key(fields: "code") { code: ID! reviews: [Review!]! }
`;

export async function startReviews() {
  const [all, emitter] = [[], new EventEmitter()];
  const of = (code) => all.filter((review) => review.country.code === code);
  const resolvers = {
    Query: { latestReview: () => all.at(-1) },
    Mutation: {
      review(_, { code, text }) {
        const review = { text, country: { __typename: 'Country', code } };
        all.push(review);
        emitter.emit('reviewed', review);
        return review;
      },
    },
    Subscription: {
      // A generator that waits could not be ended by who goes.
      reviewed: { subscribe: () => on(emitter, 'reviewed'), resolve: ([review]) => review },
    },
    Country: { __resolveReference: ({ code }) => ({ code }), reviews: ({ code }) => of(code) },
  };
  const schema = buildSubgraphSchema([{ typeDefs: parse(sdl), resolvers }]);
  const apollo = new ApolloServer({ schema });
  const { url } = await startStandaloneServer(apollo, { listen: { host: '127.0.0.1', port: 0 } });
  const sockets = new WebSocketServer({ host: '127.0.0.1', port: 0, path: '/events' });
  await once(sockets, 'listening');
  const server = useServer({ schema }, sockets);
  return {
    sdl,
    url,
    events: `ws://127.0.0.1:${sockets.address().port}/events`,
    // Subscriptions that are open.
    listeners: () => emitter.listenerCount('reviewed'),
    async stop() {
      await server.dispose();
      sockets.close();
      await apollo.stop();
    },
  };
}
