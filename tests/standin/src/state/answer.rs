//! The decision what a request gets.

use std::time::{Duration, Instant};

use crate::clock::{self, SECOND};
use crate::filter::Expr;
use crate::form::{self, Question};
use crate::http::{self, Delivery, Head, Reply};
use crate::knobs::{Fault, FaultChoice, RetryAfter};
use crate::order::Sort;
use crate::query::Query;
use crate::reply::{JSON, TOO_LONG, YAML, html, problem};
use crate::rng::{mix, mix_text, unit};
use crate::route::Endpoint;
use crate::state::State;
use crate::upstream::{Form, OutageForm, Ping, SlowEnd, Treatment};

/// A request, as far as it is understood.
pub(super) struct Asked {
    pub(super) question: Question,
    pub(super) forms: Vec<Form>,
    pub(super) treatment: Treatment,
    /// Of requests for documents; the error is a sentence for the client.
    query: Option<Result<Query, String>>,
}

impl State {
    /// Understands a request.
    pub(super) fn ask(&self, endpoint: Option<&Endpoint>, params: &[(String, String)]) -> Asked {
        let mut asked =
            Asked { question: Question::Nothing, forms: Vec::new(), treatment: Treatment::Answer, query: None };
        let fields = match endpoint {
            None => return asked,
            Some(Endpoint::Ping) => return Asked { question: Question::Ping, ..asked },
            Some(Endpoint::Charts) => return Asked { question: Question::Charts, ..asked },
            Some(Endpoint::Bundles) => &self.bundles.fields,
            Some(Endpoint::Images | Endpoint::Repository(_)) => &self.images.fields,
        };
        let Some(endpoint) = endpoint else {
            return asked;
        };
        let query = Query::read(params, fields, &self.knobs, endpoint);
        match &query {
            Ok(query) => {
                asked.question = form::question(endpoint, query);
                asked.forms = form::forms(endpoint, query, &self.knobs);
            }
            Err(_) => asked.question = Question::Unclear,
        }
        Asked { query: Some(query), ..asked }
    }

    /// What a request gets that does not get as far as the application: there is an outage, or the
    /// front end does not like it.
    pub(super) fn turned_away(&mut self, endpoint: Option<&Endpoint>, head: &Head) -> Option<Reply> {
        let planned = self.knobs.outage;
        if planned.after.is_some_and(|after| self.requests > after) && self.outage_begun != planned.after {
            self.outage_begun = planned.after;
            self.begin_outage(planned.length, planned.form);
        }
        if let Some((_, form)) = self.outage.filter(|(end, _)| Instant::now() < *end) {
            self.stats.outage += 1;
            return Some(match form {
                OutageForm::Unavailable => html(503, "The service is down for a while."),
                OutageForm::HtmlOk => html(200, "The service is down for a while."),
                OutageForm::Reset => sent(html(503, ""), Delivery::Never),
            });
        }
        if endpoint == Some(&Endpoint::Charts) {
            return None;
        }
        let access = &self.knobs.access;
        let has = |name: &str| http::header(&head.headers, name);
        let agent = has("user-agent").unwrap_or_default();
        let status = if access.user_agent.as_ref().is_some_and(|prefix| !agent.starts_with(prefix)) {
            403
        } else if access.header.as_ref().is_some_and(|(name, value)| has(name) != Some(value)) {
            access.header_status
        } else {
            return None;
        };
        self.stats.denied += 1;
        Some(html(status, "You may not see this page."))
    }

    /// The answer to a request, without faults.
    pub(super) fn answer(
        &mut self,
        endpoint: Option<&Endpoint>,
        head: &Head,
        asked: &mut Asked,
        fault: Option<Fault>,
    ) -> Reply {
        match endpoint {
            None => problem(404, "Not Found", "There is nothing here.", self.requests),
            Some(_) if head.method != "GET" => {
                problem(405, "Method Not Allowed", "Documents are only read.", self.requests)
            }
            Some(Endpoint::Charts) => self.chart_index(head),
            Some(Endpoint::Ping) => match self.knobs.ping {
                Ping::Ok => Reply::new(200, JSON, br#"{"status":"ok"}"#.to_vec()),
                Ping::NotFound => problem(404, "Not Found", "There is nothing here.", self.requests),
                Ping::BlockPage => html(200, "This page is blocked."),
                Ping::Forbidden => html(403, "This page is blocked."),
            },
            Some(endpoint) => self.documents(endpoint, asked, fault),
        }
    }

    pub(super) fn draw_fault(&mut self, endpoint: &Endpoint) -> Option<Fault> {
        let scope = self.knobs.fault_scope;
        let hit = match endpoint {
            Endpoint::Images | Endpoint::Repository(_) => scope.images,
            Endpoint::Bundles => scope.bundles,
            Endpoint::Charts => scope.charts,
            Endpoint::Ping => false,
        };
        if !hit {
            return None;
        }
        if let Some(next) = self.knobs.next_faults.pop_front() {
            return next;
        }
        let bits = mix(self.knobs.fault_seed ^ mix(self.requests));
        if self.knobs.faults.is_empty() || unit(bits) >= self.knobs.fault_share {
            return None;
        }
        let index = match self.knobs.fault_choice {
            FaultChoice::InTurn => self.faults_given,
            FaultChoice::Drawn => (mix(bits) >> 16) as usize,
        };
        self.faults_given += 1;
        Some(self.knobs.faults[index % self.knobs.faults.len()])
    }

    fn documents(&mut self, endpoint: &Endpoint, asked: &mut Asked, fault: Option<Fault>) -> Reply {
        let query = match asked.query.take() {
            Some(Ok(query)) => query,
            Some(Err(what)) => return problem(400, "Bad Request", &what, self.requests),
            None => return problem(404, "Not Found", "There is nothing here.", self.requests),
        };
        if let Some(what) = query.refusal() {
            return problem(400, "Bad Request", &what, self.requests);
        }
        asked.treatment = self.knobs.slow.treatment(&asked.forms);
        match asked.treatment {
            Treatment::Answer => {}
            Treatment::Refuse => {
                self.stats.declined += 1;
                return problem(400, "Bad Request", &self.refusal(&asked.forms), self.requests);
            }
            Treatment::Stall => return self.stalled(),
        }
        let mut work = Duration::ZERO;
        if *endpoint == Endpoint::Images {
            work = query.work(&self.knobs);
            let deep = self.knobs.deep_limit.is_some_and(|limit| query.offset() > limit);
            if deep || (self.knobs.fail_total && query.wants_total()) {
                let mut reply = html(504, TOO_LONG);
                reply.delay = work + if deep { self.knobs.deep_stall } else { Duration::ZERO };
                return reply;
            }
        }
        let collection = match endpoint {
            Endpoint::Bundles => &mut self.bundles,
            _ => &mut self.images,
        };
        if let Endpoint::Repository(place) = endpoint {
            let anywhere = vec![Expr::Place(place.clone())];
            if collection.select(anywhere, &Sort::unsorted(), 0, 1, None).total == 0 {
                return problem(404, "Not Found", "There is no such repository or tag.", self.requests);
            }
        }
        let skip = self.knobs.skip_pages || fault == Some(Fault::SkipPages);
        let page = query.answer(collection, &self.knobs, skip, self.requests);
        let mut reply = Reply::new(200, JSON, page.body);
        reply.documents = page.documents;
        reply.delay = work;
        reply
    }

    /// Why a question is refused for the sake of its forms.
    fn refusal(&self, forms: &[Form]) -> String {
        let refused = forms.iter().filter(|form| self.knobs.slow.treatment(&[**form]) == Treatment::Refuse);
        let names: Vec<String> = refused.map(form::name).collect();
        format!("questions of this form are not answered: {}", names.join(", "))
    }

    /// What comes of a question that takes too long.
    fn stalled(&mut self) -> Reply {
        self.stats.stalled += 1;
        self.stalls_given += 1;
        let status = match self.knobs.slow.end {
            SlowEnd::Html504 => 504,
            SlowEnd::Html200 => 200,
            SlowEnd::Alternate => [200, 504][self.stalls_given % 2],
        };
        let mut reply = html(status, TOO_LONG);
        reply.delay = self.knobs.slow.stall;
        reply
    }

    fn chart_index(&self, head: &Head) -> Reply {
        let tag = format!("\"{:016x}\"", mix_text(&self.charts));
        let known = http::header(&head.headers, "if-none-match").is_some_and(|tags| {
            let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
            tags.split(',').any(|known| plain(known) == tag || known.trim() == "*")
        });
        let mut reply = if known {
            Reply::new(304, YAML, Vec::new())
        } else {
            Reply::new(200, YAML, self.charts.as_bytes().to_vec())
        };
        reply.headers.push(("ETag", tag));
        reply
    }

    /// Turns a right answer into what the fault makes of it.
    pub(super) fn spoil(&self, fault: Fault, mut reply: Reply) -> Reply {
        let delay = reply.delay;
        let whole = matches!(fault, Fault::Stall | Fault::StallInBody | Fault::SkipPages);
        if !whole {
            reply.documents = 0;
        }
        let mut spoiled = match fault {
            Fault::SkipPages => return reply,
            Fault::Stall => {
                reply.delay += self.knobs.stall;
                return reply;
            }
            Fault::CutJson => {
                reply.body.truncate(reply.body.len() / 2);
                return reply;
            }
            Fault::StallInBody => return sent(reply, Delivery::Stalled(self.knobs.stall)),
            Fault::ShortBody => return sent(reply, Delivery::Short),
            Fault::Reset => return sent(reply, Delivery::Reset),
            Fault::Endless => {
                reply.body.truncate(1);
                return sent(reply, Delivery::Endless(self.knobs.endless_cap));
            }
            Fault::GzipBomb => {
                reply.body.truncate(1);
                return sent(reply, Delivery::GzipBomb(self.knobs.endless_cap));
            }
            Fault::GatewayTimeout => html(504, TOO_LONG),
            Fault::Unavailable => html(503, "The service is down for a moment."),
            Fault::BadGateway => html(502, "The server behind this one gave no answer."),
            Fault::HtmlOk => html(200, "We are working on it."),
            Fault::ErrorUntilReconnect => html(500, "The application failed to start."),
            Fault::Forbidden => html(403, "You may not see this page."),
            Fault::TooManySeconds => self.too_many(RetryAfter::Seconds),
            Fault::TooManyDate => self.too_many(RetryAfter::Date),
            Fault::TooMany => self.too_many(RetryAfter::Absent),
        };
        spoiled.delay = delay;
        spoiled
    }

    pub(super) fn too_many(&self, retry_after: RetryAfter) -> Reply {
        let mut reply = problem(429, "Too Many Requests", "Too many requests are under way.", self.requests);
        let seconds = self.knobs.retry_after_seconds;
        match retry_after {
            RetryAfter::Seconds => reply.headers.push(("Retry-After", seconds.to_string())),
            RetryAfter::Date => {
                let date = clock::now() + i64::from(seconds) * SECOND;
                reply.headers.push(("Retry-After", clock::http_date(date)));
            }
            RetryAfter::Absent => {}
        }
        reply
    }
}

fn sent(reply: Reply, delivery: Delivery) -> Reply {
    Reply { delivery, ..reply }
}
