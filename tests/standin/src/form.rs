//! What kind of question a request asks, and which slow forms it has.

use clap::ValueEnum;

use crate::filter::{Expr, Field, Literal, Op, Test};
use crate::knobs::Knobs;
use crate::order::Order;
use crate::query::Query;
use crate::route::Endpoint;
use crate::upstream::Form;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Question {
    /// Whether the catalog is there.
    Ping,
    /// The chart index.
    Charts,
    /// Images, by whatever conditions.
    Images,
    /// How many images there are, and none of them.
    ImageCount,
    /// Images with a condition on last_update_date.
    ImageChanges,
    /// Images by _id or a digest.
    ImageLookup,
    /// The images of a repository.
    RepositoryImages,
    /// The images under a tag of a repository.
    RepositoryTag,
    /// Bundles, by whatever conditions.
    Bundles,
    /// How many bundles there are, and none of them.
    BundleCount,
    /// Bundles with a condition on last_update_date.
    BundleChanges,
    /// Bundles by _id or csv_name.
    BundleLookup,
    /// Something about documents that cannot be understood, so that it gets status 400.
    Unclear,
    /// A path under which there is nothing.
    Nothing,
}

/// The name that a value has on the command line and in JSON.
pub(crate) fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

impl Field {
    /// Whether this is the field of that name.
    fn is(&self, name: &str) -> bool {
        match self {
            Field::Id => name == "_id",
            Field::Created => name == "creation_date",
            Field::Updated => name == "last_update_date",
            Field::Certified => name == "certified",
            Field::Partner => name == "isv_pid",
            Field::Organization => name == "organization",
            Field::Path(path, _) => path.iter().map(String::as_str).eq(name.split('.')),
        }
    }
}

impl Expr {
    /// Whether the condition asks for few documents by one of these fields.
    fn looks_up(&self, fields: &[&str]) -> bool {
        match self {
            Expr::And(parts) => parts.iter().any(|part| part.looks_up(fields)),
            Expr::Or(parts) => parts.iter().all(|part| part.looks_up(fields)),
            Expr::Test(test) => {
                let exact = matches!(test.op, Op::Eq | Op::In) && !test.values.contains(&Literal::Null);
                exact && fields.iter().any(|name| test.field.is(name))
            }
            Expr::Place(_) => true,
        }
    }

    /// Calls `visit` with each comparison, wherever it stands.
    fn each_test(&self, visit: &mut impl FnMut(&Test)) {
        match self {
            Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| part.each_test(visit)),
            Expr::Test(test) => visit(test),
            Expr::Place(_) => {}
        }
    }
}

const IMAGE_LOOKUPS: &[&str] = &[
    "_id",
    "image_id",
    "docker_image_digest",
    "repositories.manifest_list_digest",
    "repositories.manifest_schema2_digest",
];

const BUNDLE_LOOKUPS: &[&str] = &["_id", "csv_name"];

/// What matters of a query about documents, before knobs change it.
pub(crate) struct Traits {
    lookup: bool,
    /// Conditions that must hold whatever the others say, as an index needs them.
    bounded: bool,
    partner: bool,
    /// Fields that are named anywhere in the filter.
    dated: bool,
    by_update: bool,
    date_equality: bool,
    order: Order,
}

impl Traits {
    pub(crate) fn new(filter: &[Expr], order: Order, of_images: bool) -> Self {
        let lookups = if of_images { IMAGE_LOOKUPS } else { BUNDLE_LOOKUPS };
        let demands = |name: &str| filter.iter().any(|expr| matches!(expr, Expr::Test(test) if test.field.is(name)));
        let (mut dated, mut by_update, mut date_equality) = (false, false, false);
        for expr in filter {
            expr.each_test(&mut |test| {
                let (created, updated) = (test.field.is("creation_date"), test.field.is("last_update_date"));
                let exact = matches!(test.op, Op::Eq | Op::In) && !test.values.contains(&Literal::Null);
                dated |= created;
                by_update |= updated;
                date_equality |= (created || updated) && exact;
            });
        }
        Traits {
            lookup: filter.iter().any(|expr| expr.looks_up(lookups)),
            bounded: demands("creation_date"),
            partner: demands("isv_pid"),
            dated,
            by_update,
            date_equality,
            order,
        }
    }
}

/// What a query about documents asks for.
pub(crate) fn question(endpoint: &Endpoint, query: &Query) -> Question {
    let traits = &query.traits;
    let counts = query.wants_total() && !query.wants_documents();
    match endpoint {
        Endpoint::Ping => Question::Ping,
        Endpoint::Charts => Question::Charts,
        Endpoint::Repository(place) if place.tag.is_some() => Question::RepositoryTag,
        Endpoint::Repository(_) => Question::RepositoryImages,
        Endpoint::Images if counts => Question::ImageCount,
        Endpoint::Images if traits.lookup => Question::ImageLookup,
        Endpoint::Images if traits.by_update => Question::ImageChanges,
        Endpoint::Images => Question::Images,
        Endpoint::Bundles if counts => Question::BundleCount,
        Endpoint::Bundles if traits.lookup => Question::BundleLookup,
        Endpoint::Bundles if traits.by_update => Question::BundleChanges,
        Endpoint::Bundles => Question::Bundles,
    }
}

/// The slow forms that a query about documents has, whether they are treated or not.
pub(crate) fn forms(endpoint: &Endpoint, query: &Query, knobs: &Knobs) -> Vec<Form> {
    let traits = &query.traits;
    let total = query.wants_total();
    let of_images = match endpoint {
        Endpoint::Images if !traits.lookup => [
            (!traits.bounded, Form::ImagesUndated),
            (!traits.partner, Form::ImagesUnpartnered),
            (traits.by_update, Form::ImagesByUpdate),
            (!matches!(traits.order, Order::Unsorted | Order::Created), Form::ImagesSortedOtherwise),
            (total, Form::ImageCount),
            (query.offset() > knobs.slow.offset, Form::DeepImages),
        ],
        _ => [(false, Form::ImagesUndated); 6],
    };
    let bundles = *endpoint == Endpoint::Bundles;
    let others = [
        (query.wants_documents() && query.page_size() > knobs.slow.page, Form::LargePage),
        (traits.date_equality, Form::DateEquality),
        (traits.order == Order::Id, Form::SortById),
        (bundles && !matches!(traits.order, Order::Unsorted | Order::Id), Form::BundlesSorted),
        (bundles && traits.dated, Form::BundlesDated),
        (bundles && traits.by_update, Form::BundlesByUpdate),
        (bundles && !traits.lookup && total, Form::BundleCount),
    ];
    of_images.into_iter().chain(others).filter(|(has, _)| *has).map(|(_, form)| form).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Fields;
    use crate::query::decode;

    fn ask(endpoint: &Endpoint, params: &str, knobs: &Knobs) -> (Question, Vec<Form>) {
        let fields = if *endpoint == Endpoint::Bundles { Fields::of_bundles() } else { Fields::of_images() };
        let query = Query::read(&decode(params), &fields, knobs, endpoint).expect("the tests' questions are right");
        (question(endpoint, &query), forms(endpoint, &query, knobs))
    }

    fn images(params: &str) -> (Question, Vec<Form>) {
        let knobs = Knobs::default();
        // Of page sizes there are other tests.
        ask(&Endpoint::Images, params, &Knobs { slow: crate::SlowPaths { page: 500, ..knobs.slow.clone() }, ..knobs })
    }

    fn bundles(params: &str) -> (Question, Vec<Form>) {
        ask(&Endpoint::Bundles, params, &Knobs::default())
    }

    const FAST: &str = "include=data&filter=isv_pid!=null and creation_date<2024-01-01T00:00:00Z and certified==true";

    #[test]
    fn the_fast_question_for_images_has_no_slow_form() {
        let none: Vec<Form> = Vec::new();
        assert_eq!(images(FAST), (Question::Images, none.clone()));
        assert_eq!(
            images(&format!("{FAST}&sort_by=creation_date[desc]&page_size=500")),
            (Question::Images, none.clone())
        );
        let ours = "include=data&filter=isv_pid==null;creation_date<2024-01-01T00:00:00Z";
        assert_eq!(images(ours), (Question::Images, none));
    }

    #[test]
    fn each_step_off_the_index_is_seen() {
        let forms = |params: &str| images(params).1;
        assert_eq!(forms("include=data&filter=isv_pid!=null"), [Form::ImagesUndated]);
        // An index cannot serve one side of an `or`.
        let either = "include=data&filter=isv_pid!=null;(creation_date<2024-01-01T00:00:00Z,certified==true)";
        assert_eq!(forms(either), [Form::ImagesUndated]);
        let dated = "include=data&filter=creation_date<2024-01-01T00:00:00Z";
        assert_eq!(forms(dated), [Form::ImagesUnpartnered]);
        assert_eq!(forms(&format!("{FAST} and last_update_date>2024-01-01T00:00:00Z")), [Form::ImagesByUpdate]);
        assert_eq!(forms(&format!("{FAST}&sort_by=last_update_date")), [Form::ImagesSortedOtherwise]);
        assert_eq!(forms(&format!("{FAST}&sort_by=_id")), [Form::ImagesSortedOtherwise, Form::SortById]);
        assert_eq!(forms(&FAST.replace("include=data", "exclude=page")), [Form::ImageCount]);
        assert_eq!(forms(&format!("{FAST}&page=101")), [Form::DeepImages]);
        assert_eq!(forms(&FAST.replace("_date<", "_date==")), [Form::DateEquality]);
        assert_eq!(forms(&FAST.replace("_date<2024-01-01T00:00:00Z", "_date!=null")), Vec::new());
    }

    #[test]
    fn large_pages_are_those_that_bring_documents() {
        let knobs = Knobs::default();
        let forms = |params: &str| ask(&Endpoint::Images, params, &knobs).1;
        assert_eq!(forms(&format!("{FAST}&page_size=100")), Vec::new());
        assert_eq!(forms(&format!("{FAST}&page_size=101")), [Form::LargePage]);
        assert_eq!(forms(&format!("{}&page_size=101", FAST.replace("data", "page"))), Vec::new());
        let capped = Knobs { max_page_size: 100, ..knobs.clone() };
        assert_eq!(ask(&Endpoint::Images, &format!("{FAST}&page_size=500"), &capped).1, Vec::new());
    }

    #[test]
    fn lookups_are_never_off_the_index() {
        for params in [
            "filter=image_id==sha256:1",
            "filter=image_id==sha256:1;certified==true",
            "filter=repositories.manifest_list_digest==x or repositories.manifest_schema2_digest==x",
            "filter=_id=in=(a,b)",
        ] {
            assert_eq!(images(params), (Question::ImageLookup, Vec::new()), "{params}");
        }
        assert_eq!(images("include=data&filter=image_id==null").0, Question::Images);
        assert_eq!(images("include=data&filter=image_id==x,certified==true").0, Question::Images);
        let place = Endpoint::of("/api/containers/v1/repositories/registry/r/repository/a/images");
        let place = place.expect("the path is right");
        assert_eq!(ask(&place, "", &Knobs::default()), (Question::RepositoryImages, Vec::new()));
        let csv = "filter=csv_name==a.v1;organization==certified-operators";
        assert_eq!(bundles(csv), (Question::BundleLookup, Vec::new()));
    }

    #[test]
    fn questions_for_bundles_and_for_counts_are_told_apart() {
        let organization = "filter=organization==certified-operators";
        assert_eq!(bundles(organization), (Question::Bundles, vec![Form::BundleCount]));
        assert_eq!(bundles(&format!("{organization}&include=total")).0, Question::BundleCount);
        let sorted = format!("{organization}&include=data&sort_by=creation_date");
        assert_eq!(bundles(&sorted), (Question::Bundles, vec![Form::BundlesSorted]));
        let dated = format!("include=data&{organization};creation_date<2024-01-01T00:00:00Z");
        assert_eq!(bundles(&dated).1, [Form::BundlesDated]);
        let changed = dated.replace("creation", "last_update");
        assert_eq!(bundles(&changed), (Question::BundleChanges, vec![Form::BundlesByUpdate]));
        assert_eq!(images(&FAST.replace("=data", "=total")), (Question::ImageCount, vec![Form::ImageCount]));
        let changes = format!("{FAST};last_update_date>2024-01-01T00:00:00Z");
        assert_eq!(images(&changes).0, Question::ImageChanges);
    }
}
