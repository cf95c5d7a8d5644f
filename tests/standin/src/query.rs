//! The query of a request for documents, and its answer.

use std::time::Duration;

use crate::endless;
use crate::fields::Fields;
use crate::filter::{self, Dates, Expr, Field, Test};
use crate::form::Traits;
use crate::knobs::{Knobs, Oversized, TieOrder};
use crate::order::{Order, Sort};
use crate::projection::Projection;
use crate::route::Endpoint;
use crate::store::Collection;

/// A request's parameters, understood.
pub(crate) struct Query {
    filter: Vec<Expr>,
    sort: Sort,
    page: usize,
    page_size: usize,
    /// The page size is above the largest one, which is an error.
    oversized: bool,
    projection: Projection,
    pub(crate) traits: Traits,
}

/// An answer to a query.
pub(crate) struct Page {
    pub(crate) body: Vec<u8>,
    pub(crate) documents: usize,
}

/// The first value of a parameter.
pub(crate) fn param<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Splits a query string and decodes it: `+` is a space, `%XX` a byte.
pub(crate) fn decode(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode_part(key), decode_part(value))
        })
        .collect()
}

fn decode_part(text: &str) -> String {
    decode_path(&text.replace('+', " "))
}

/// Decodes a part of a path: `%XX` is a byte.
pub(crate) fn decode_path(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let code = (bytes[i] == b'%')
            .then(|| text.get(i + 1..i + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(code.unwrap_or(bytes[i]));
        i += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Query {
    /// Reads the parameters. The error says what is wrong with them, for a status 400.
    pub(crate) fn read(
        params: &[(String, String)],
        fields: &Fields,
        knobs: &Knobs,
        endpoint: &Endpoint,
    ) -> Result<Self, String> {
        let page = number(params, "page", 0, 0)?;
        let asked = number(params, "page_size", knobs.default_page_size, 1)?;
        let page_size = asked.min(knobs.max_page_size);
        let dates = Dates { compare: knobs.date_compare, form: knobs.date_form };
        let mut filter = Vec::new();
        for text in all(params, "filter") {
            filter.extend(filter::parse_with(text, fields, dates)?.into_conjunction());
        }
        let mut sort = sort(params, fields)?;
        let traits = Traits::new(&filter, sort.order, *endpoint != Endpoint::Bundles);
        if knobs.ignore_filter {
            filter.clear();
        }
        if let Endpoint::Repository(place) = endpoint {
            filter.push(Expr::Place(place.clone()));
        }
        if knobs.ignore_sort {
            sort = Sort::unsorted();
        }
        let list = |name| {
            let lists: Vec<&str> = all(params, name).collect();
            (!lists.is_empty()).then(|| lists.join(","))
        };
        let projection = Projection::new(list("include").as_deref(), list("exclude").as_deref());
        let oversized = knobs.oversized == Oversized::Refuse && asked > page_size;
        Ok(Query { filter, sort, page, page_size, oversized, projection, traits })
    }

    /// Why the query is refused, if it is: it is understood, but against the rules.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.oversized.then(|| format!("page_size must not exceed {}", self.page_size))
    }

    pub(crate) fn page_size(&self) -> usize {
        self.page_size
    }

    pub(crate) fn wants_documents(&self) -> bool {
        self.projection.of("data").is_some()
    }

    /// How many documents come before the page.
    pub(crate) fn offset(&self) -> usize {
        self.page.saturating_mul(self.page_size)
    }

    pub(crate) fn wants_total(&self) -> bool {
        self.projection.of("total").is_some()
    }

    /// Whether the query is bounded by `creation_date` and sorted by it.
    fn takes_fast_path(&self) -> bool {
        let dated =
            self.filter.iter().any(|expr| matches!(expr, Expr::Test(Test { field, .. }) if *field == Field::Created));
        dated && self.sort.order == Order::Created
    }

    /// How long the server works on this query about images.
    pub(crate) fn work(&self, knobs: &Knobs) -> Duration {
        let mut work = knobs.deep_latency.mul_f64(self.offset().min(1 << 40) as f64 / 10_000.0);
        if self.wants_total() {
            work += knobs.total_latency;
        }
        if !self.takes_fast_path() {
            work += knobs.slow_path_latency;
        }
        work
    }

    /// Answers the query. `nonce` decides the order in ties if they are to be shuffled.
    pub(crate) fn answer(self, collection: &mut Collection, knobs: &Knobs, skip_pages: bool, nonce: u64) -> Page {
        let mut offset = self.offset();
        if skip_pages {
            offset = offset.saturating_add(self.page.saturating_mul(self.page));
        }
        let shuffle = (knobs.tie_order == TieOrder::Shuffled).then_some(nonce);
        let found = collection.select(self.filter.clone(), &self.sort, offset, self.page_size, shuffle);
        let mut further = Vec::new();
        if knobs.endless_catalog {
            let (skipped, room) = (offset.saturating_sub(found.total), self.page_size - found.slots.len());
            further = endless::documents(collection, &self.filter, &self.sort, found.total, skipped, room);
        }
        let mut body = Vec::with_capacity(512 * (found.slots.len() + 1));
        let mut documents = 0;
        body.push(b'{');
        if let Some(projection) = self.projection.of("data") {
            documents = found.slots.len() + further.len();
            body.extend_from_slice(b"\"data\":[");
            write_documents(collection, &projection, &found.slots, &further, &mut body);
            body.push(b']');
        }
        let total = (found.total as i64).saturating_add(knobs.total_error).max(0).to_string();
        let total = knobs.total_is.clone().unwrap_or(total);
        for (key, value) in
            [("page", self.page.to_string()), ("page_size", self.page_size.to_string()), ("total", total)]
        {
            if self.projection.of(key).is_some() {
                if body.len() > 1 {
                    body.push(b',');
                }
                body.extend_from_slice(format!("\"{key}\":{value}").as_bytes());
            }
        }
        body.push(b'}');
        Page { body, documents }
    }
}

/// Writes documents, those of the collection first, separated by commas.
fn write_documents(
    collection: &Collection,
    projection: &Projection,
    slots: &[u32],
    further: &[String],
    body: &mut Vec<u8>,
) {
    let start = body.len();
    let bulk = projected_bulk(collection, projection, slots.len());
    for slot in slots {
        if body.len() > start {
            body.push(b',');
        }
        let doc = collection.doc(*slot);
        projection.write(&doc.text, body);
        let extra = doc.bulk.and_then(|i| bulk.get(usize::from(i)));
        if let Some(members) = extra.filter(|members| !members.is_empty()) {
            body.pop();
            if body.last() != Some(&b'{') {
                body.push(b',');
            }
            body.extend_from_slice(members);
            body.push(b'}');
        }
    }
    for text in further {
        if body.len() > start {
            body.push(b',');
        }
        projection.write(text, body);
    }
}

/// The wanted members of each bulky set, without braces.
fn projected_bulk(collection: &Collection, projection: &Projection, documents: usize) -> Vec<Vec<u8>> {
    if documents == 0 {
        return Vec::new();
    }
    let members = |text: &String| {
        let mut out = Vec::new();
        projection.write(text, &mut out);
        out[1..out.len() - 1].to_vec()
    };
    collection.bulk.iter().map(members).collect()
}

fn all<'a>(params: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    params.iter().filter(move |(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
}

fn number(params: &[(String, String)], name: &str, default: usize, least: usize) -> Result<usize, String> {
    match param(params, name) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .ok()
            .filter(|value| *value >= least)
            .ok_or_else(|| format!("{name} must be a whole number, at least {least}")),
    }
}

fn sort(params: &[(String, String)], fields: &Fields) -> Result<Sort, String> {
    let keys: Vec<&str> = all(params, "sort_by").collect();
    let key = match keys.as_slice() {
        [] => return Ok(Sort::unsorted()),
        [key] if !key.contains(',') => *key,
        _ => return Err("sort_by takes one field only".to_owned()),
    };
    let (field, descending) = match key.split_once('[') {
        None => (key, false),
        Some((field, "asc]")) => (field, false),
        Some((field, "desc]")) => (field, true),
        Some(_) => return Err(format!("'{key}' is no sort key: use field[asc] or field[desc]")),
    };
    if fields.kind(field).is_none() {
        return Err(format!("unknown field '{field}' in sort_by"));
    }
    let order = match field {
        "creation_date" => Order::Created,
        "last_update_date" => Order::Updated,
        "_id" => Order::Id,
        _ => Order::Field,
    };
    let path = match order {
        Order::Field => field.split('.').map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    Ok(Sort { order, path, descending })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::catalog::Catalog;

    fn catalog() -> Catalog {
        let image = |i: u32| {
            json!({
                "_id": format!("{i:024x}"),
                "creation_date": format!("2021-01-01T00:00:{:02}+00:00", i / 2),
                "certified": i != 3,
                "bulky": {"a": 1, "b": 2},
            })
        };
        Catalog::new((0..25).map(image).collect(), Vec::new(), String::new())
    }

    fn ask_with(knobs: &Knobs, query: &str) -> Result<Value, String> {
        let mut images = catalog().images;
        let query = Query::read(&decode(query), &images.fields, knobs, &Endpoint::Images)?;
        if let Some(refusal) = query.refusal() {
            return Err(refusal);
        }
        let page = query.answer(&mut images, knobs, knobs.skip_pages, 1);
        Ok(serde_json::from_slice(&page.body).expect("answers are JSON"))
    }

    fn ask(query: &str) -> Result<Value, String> {
        ask_with(&Knobs::default(), query)
    }

    fn ids(answer: &Value) -> Vec<u64> {
        let documents = answer["data"].as_array().expect("data is a list");
        let id = |d: &Value| u64::from_str_radix(d["_id"].as_str().unwrap_or(""), 16);
        documents.iter().map(|d| id(d).expect("ids are hex")).collect()
    }

    #[test]
    fn pages_fit_together_and_end_empty() {
        let sorted = |page| ask(&format!("sort_by=creation_date%5Bdesc%5D&page_size=10&page={page}"));
        let pages: Vec<Value> = (0..4).map(|p| sorted(p).expect("the query is right")).collect();
        let all: Vec<u64> = pages.iter().flat_map(ids).collect();
        assert_eq!(all, (0..25).rev().collect::<Vec<_>>());
        assert_eq!(pages[2]["data"].as_array().map(Vec::len), Some(5));
        assert_eq!(pages[3], json!({"data": [], "page": 3, "page_size": 10, "total": 25}));
    }

    #[test]
    fn the_last_page_by_its_remainder_is_the_wrong_page() {
        let last = ask("sort_by=_id&page=2&page_size=5").expect("the query is right");
        assert_eq!(ids(&last), [10, 11, 12, 13, 14]);
    }

    #[test]
    fn projections_act_on_documents_and_envelope() {
        let query = "filter=certified==false&include=data._id,data.bulky.b,page";
        assert_eq!(ask(query), Ok(json!({"data": [{"_id": format!("{:024x}", 3), "bulky": {"b": 2}}], "page": 0})));
        assert_eq!(ask("include=total"), Ok(json!({"total": 25})));
        let rest = ask("exclude=data.bulky,total&page_size=1&sort_by=_id").expect("right");
        assert!(rest.get("total").is_none());
        assert!(rest["data"][0].get("bulky").is_none());
        assert_eq!(rest["data"][0]["certified"], true);
    }

    #[test]
    fn an_unencoded_plus_breaks_a_date() {
        assert!(ask("filter=creation_date<2021-01-01T00:00:01+00:00").is_err());
        let right = ask("filter=creation_date<2021-01-01T00:00:01%2B00:00").expect("right");
        assert_eq!(right["total"], 2);
    }

    #[test]
    fn wrong_parameters_are_refused() {
        for query in [
            "page=-1",
            "page=x",
            "page_size=0",
            "sort_by=nobody",
            "sort_by=_id[up]",
            "sort_by=_id,creation_date",
            "sort_by=_id&sort_by=creation_date",
            "filter=nobody==1",
        ] {
            assert!(ask(query).is_err(), "{query}");
        }
    }

    #[test]
    fn large_pages_are_capped_or_refused() {
        let mut knobs = Knobs { max_page_size: 7, ..Knobs::default() };
        let capped = ask_with(&knobs, "page_size=10").expect("capped");
        assert_eq!(capped["page_size"], 7);
        assert_eq!(capped["data"].as_array().map(Vec::len), Some(7));
        knobs.oversized = Oversized::Refuse;
        assert!(ask_with(&knobs, "page_size=10").is_err());
        assert!(ask_with(&knobs, "page_size=7").is_ok());
    }

    #[test]
    fn misbehaviour_shows() {
        let knobs = Knobs { ignore_filter: true, skip_pages: true, total_error: -3, ..Knobs::default() };
        let query = "filter=certified==false&sort_by=_id&page_size=5&page=2";
        let answer = ask_with(&knobs, query).expect("the query is right");
        assert_eq!(answer["total"], 22);
        assert_eq!(answer["page"], 2);
        assert_eq!(ids(&answer), [14, 15, 16, 17, 18]);
        let knobs = Knobs { ignore_sort: true, ..Knobs::default() };
        let answer = ask_with(&knobs, "sort_by=_id").expect("the query is right");
        assert_ne!(ids(&answer), (0..25).collect::<Vec<_>>());
    }

    #[test]
    fn deep_and_slow_queries_cost_time() {
        let knobs = Knobs {
            deep_latency: Duration::from_millis(100),
            total_latency: Duration::from_millis(7),
            slow_path_latency: Duration::from_millis(1000),
            ..Knobs::default()
        };
        let fields = catalog().images.fields;
        let work = |query: &str| {
            let query = Query::read(&decode(query), &fields, &knobs, &Endpoint::Images);
            query.map(|query| query.work(&knobs))
        };
        let fast = "filter=creation_date<2021-01-01T00:00:01Z&sort_by=creation_date[desc]";
        let millis = Duration::from_millis;
        assert_eq!(work(fast), Ok(millis(7)));
        assert_eq!(work(&format!("{fast}&include=data")), Ok(millis(0)));
        assert_eq!(work("page=40&page_size=500"), Ok(millis(1207)));
    }
}
