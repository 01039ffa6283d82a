//! Preparing: turns a request of a program and what is in the store into the request on its way.

use super::{Run, Sent};
use crate::cache::{AnswerCache, Cached};
use crate::contexts::{self, Group};
use crate::lookup::{LookedUp, Pieces};
use crate::read::Target;
use crate::targets::{Collected, collect, objects_at};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use terrane_graphql::json::write_str;

impl Run<'_> {
    /// The request on its way, or nothing when there is nothing to ask.
    pub(super) fn prepare(&mut self, number: usize) -> Option<BoxFuture<'static, Sent>> {
        let program = self.program;
        let request = &program.requests[number];
        if request.contextual {
            return self.prepare_contextual(number);
        }
        if let Some((cache, cached)) = self.executor.kept_answers(program, request) {
            return self.prepare_lookup(number, cache, cached);
        }
        let mut body = Vec::with_capacity(request.head.len() + 256);
        body.extend_from_slice(&request.head);
        let mut targets = Vec::with_capacity(request.fetches.len());
        let mut guards = Vec::new();
        let mut first = true;
        for (&fetch, name) in request.fetches.iter().zip(&request.inputs) {
            let code = &program.fetches[fetch];
            let active = self.holds[code.condition];
            if !program.plan.fetches[fetch].is_entity {
                let objects = if active { objects_at(&self.store, self.root, &code.paths) } else { Vec::new() };
                let read = code.branches[0];
                targets.push(if objects.is_empty() {
                    Vec::new()
                } else {
                    vec![Target { read, objects: objects.into() }]
                });
                continue;
            }
            if !first {
                body.push(b',');
            }
            first = false;
            body.extend_from_slice(name);
            body.push(b'[');
            if active {
                let collected = collect(program, fetch, &self.holds, &mut self.store, self.root);
                body.extend_from_slice(&collected.bytes);
                targets.push(collected.targets);
                guards.extend(collected.guards);
            } else {
                targets.push(Vec::new());
            }
            body.push(b']');
        }
        if targets.iter().all(Vec::is_empty) {
            return None;
        }
        self.variables.write(&mut body, &request.variables, first);
        body.extend_from_slice(b"}}");
        let answer = self.executor.send(request, body.into(), &self.headers);
        let sent = async move {
            let answered = Some(answer.await);
            Sent { request: number, targets, keys: None, guards, found: None, answered }
        };
        Some(sent.boxed())
    }

    /// The same for a request to a subgraph that lets answers be kept.
    fn prepare_lookup(
        &mut self,
        number: usize,
        cache: &Arc<AnswerCache>,
        cached: &Arc<Cached>,
    ) -> Option<BoxFuture<'static, Sent>> {
        let program = self.program;
        let request = &program.requests[number];
        let mut pieces = Pieces::new(request, request.fetches.len());
        let mut guards = Vec::new();
        for (&fetch, name) in request.fetches.iter().zip(&request.inputs) {
            let code = &program.fetches[fetch];
            let active = self.holds[code.condition];
            if !program.plan.fetches[fetch].is_entity {
                let objects = if active { objects_at(&self.store, self.root, &code.paths) } else { Vec::new() };
                if !objects.is_empty() {
                    pieces.root(Target { read: code.branches[0], objects: objects.into() });
                }
                continue;
            }
            let mut collected = Collected::default();
            if active {
                collected = collect(program, fetch, &self.holds, &mut self.store, self.root);
                guards.append(&mut collected.guards);
            }
            pieces.entities(name, collected);
        }
        if pieces.is_empty() {
            return None;
        }
        pieces.variables(|out, first| self.variables.write(out, &request.variables, first));
        let (sender, headers) = (self.executor.sender(request), Arc::clone(&self.headers));
        let looking = pieces.look_up(Arc::clone(cache), Arc::clone(cached), sender, headers);
        let sent = async move {
            let LookedUp { targets, answered, found } = looking.await;
            Sent { request: number, targets, keys: None, guards, found: Some(found), answered }
        };
        Some(sent.boxed())
    }

    /// The same for a request with values from objects above: each of its fetches is there once per group of objects
    /// with equal values.
    fn prepare_contextual(&mut self, number: usize) -> Option<BoxFuture<'static, Sent>> {
        let program = self.program;
        let request = &program.requests[number];
        let mut groups: Vec<Group> = Vec::new();
        let mut counts = Vec::with_capacity(request.fetches.len());
        for &fetch in &request.fetches {
            let before = groups.len();
            if !self.holds[program.fetches[fetch].condition] {
                counts.push(0);
                continue;
            }
            if program.plan.fetches[fetch].contexts.is_empty() {
                let collected = collect(program, fetch, &self.holds, &mut self.store, self.root);
                if !collected.targets.is_empty() {
                    groups.push(Group { values: Vec::new(), collected });
                }
            } else {
                groups.extend(contexts::groups(program, fetch, &self.holds, &mut self.store, self.root));
            }
            counts.push(groups.len() - before);
        }
        if groups.is_empty() {
            return None;
        }
        let (text, repetitions) = program.plan.repeated(&program.plan.requests[number], &counts);
        let mut body = b"{\"query\":".to_vec();
        write_str(&mut body, &text);
        body.extend_from_slice(b",\"variables\":{");
        let (mut targets, mut keys, mut guards) = (Vec::new(), Vec::new(), Vec::new());
        for (i, (group, repetition)) in groups.into_iter().zip(repetitions).enumerate() {
            body.extend_from_slice(if i == 0 { b"" } else { b"," });
            write_str(&mut body, &repetition.variable);
            body.extend_from_slice(b":[");
            body.extend_from_slice(&group.collected.bytes);
            body.push(b']');
            for (name, value) in repetition.contexts.iter().zip(&group.values) {
                body.push(b',');
                write_str(&mut body, name);
                body.push(b':');
                body.extend_from_slice(value);
            }
            targets.push(group.collected.targets);
            keys.push(repetition.key);
            guards.extend(group.collected.guards);
        }
        self.variables.write(&mut body, &request.variables, false);
        body.extend_from_slice(b"}}");
        let answer = self.executor.send(request, body.into(), &self.headers);
        let keys = Some(keys);
        let sent =
            async move { Sent { request: number, targets, keys, guards, found: None, answered: Some(answer.await) } };
        Some(sent.boxed())
    }
}
