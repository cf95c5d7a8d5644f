//! Documents as the API serves them. A field of the wrong type makes the document odd, but loses neither the document
//! nor its page.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::at::At;
use crate::base::digest::Sha256Digest;
use crate::base::text::sanitize;
use crate::catalog::document::{Image, ManifestDigest, ObjectId, Operator, Repository};

/// A document of either kind, with the fields that keep a listing complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Its `_id`; made from the text if that is not an ObjectId.
    pub id: ObjectId,
    /// Its `creation_date`, by which listings are cut and ordered, or [`At::UNDATED`].
    pub at: At,
    /// What is kept of it.
    pub body: Body,
    /// What is odd about it, a few words for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub odd: Option<Box<str>>,
}

/// What is kept of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// An image.
    Image(Box<Image>),
    /// An operator bundle.
    Operator(Box<Operator>),
}

/// A document as served, before it is reduced.
pub trait Served: DeserializeOwned {
    /// Reduces it.
    fn reduce(self) -> Document;
}

/// A value of type `T`, nothing if it is absent or `null`, or a mark for a value of another type.
#[derive(Default)]
enum Field<T> {
    #[default]
    Absent,
    Is(T),
    Odd,
}

impl<T> Field<T> {
    fn take(self, name: &'static str, odd: &mut Vec<&'static str>) -> Option<T> {
        match self {
            Self::Absent => None,
            Self::Is(value) => Some(value),
            Self::Odd => {
                odd.push(name);
                None
            }
        }
    }
}

/// Types that a [`Field`] can have.
trait Kind: Sized {
    fn of_text(_: &str) -> Option<Self> {
        None
    }
    fn of_flag(_: bool) -> Option<Self> {
        None
    }
    fn of_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
    fn of_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Option<Self>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

impl Kind for Box<str> {
    fn of_text(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl Kind for bool {
    fn of_flag(flag: bool) -> Option<Self> {
        Some(flag)
    }
}

impl<T: DeserializeOwned> Kind for Vec<T> {
    fn of_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut items = Self::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Some(items))
    }
}

impl<'de, T: Kind> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

struct Any<T>(PhantomData<T>);

impl<'de, T: Kind> Visitor<'de> for Any<T> {
    type Value = Field<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_str<E>(self, text: &str) -> Result<Field<T>, E> {
        Ok(T::of_text(text).map_or(Field::Odd, Field::Is))
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Field<T>, E> {
        Ok(T::of_flag(flag).map_or(Field::Odd, Field::Is))
    }
    fn visit_unit<E>(self) -> Result<Field<T>, E> {
        Ok(Field::Absent)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Field<T>, E> {
        Ok(Field::Odd)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Field<T>, E> {
        Ok(Field::Odd)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Field<T>, E> {
        Ok(Field::Odd)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Field<T>, A::Error> {
        Ok(T::of_list(list)?.map_or(Field::Odd, Field::Is))
    }
    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Field<T>, A::Error> {
        Ok(T::of_object(object)?.map_or(Field::Odd, Field::Is))
    }
}

/// An image document.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ServedImage {
    _id: Field<Box<str>>,
    creation_date: Field<Box<str>>,
    architecture: Field<Box<str>>,
    certified: Field<bool>,
    image_id: Field<Box<str>>,
    repositories: Field<Vec<Field<ServedRepository>>>,
}

impl Kind for ServedRepository {
    fn of_object<'de, A: MapAccess<'de>>(object: A) -> Result<Option<Self>, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(object)).map(Some)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServedRepository {
    registry: Field<Box<str>>,
    repository: Field<Box<str>>,
    tags: Field<Vec<Field<ServedTag>>>,
    manifest_list_digest: Field<Box<str>>,
    manifest_schema2_digest: Field<Box<str>>,
}

impl Kind for ServedTag {
    fn of_object<'de, A: MapAccess<'de>>(object: A) -> Result<Option<Self>, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(object)).map(Some)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServedTag {
    name: Field<Box<str>>,
}

/// An operator bundle document.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ServedOperator {
    _id: Field<Box<str>>,
    creation_date: Field<Box<str>>,
    organization: Field<Box<str>>,
    csv_name: Field<Box<str>>,
    ocp_version: Field<Box<str>>,
    channel_name: Field<Box<str>>,
}

impl ServedImage {
    /// Whether it says that it is not certified. One that does not say was selected as a certified one.
    pub fn is_uncertified(&self) -> bool {
        matches!(self.certified, Field::Is(false))
    }
}

impl ServedOperator {
    /// The organization of the bundle, such as `certified-operators`.
    pub fn organization(&self) -> Option<&str> {
        match &self.organization {
            Field::Is(name) => Some(name),
            _ => None,
        }
    }
}

/// The date of a document and its text as served.
fn date(field: Field<Box<str>>, odd: &mut Vec<&'static str>) -> (At, Box<str>) {
    let text = field.take("creation_date", odd).unwrap_or_default();
    match text.parse() {
        Ok(instant) if At::of(instant) < At::HORIZON => (At::of(instant), text),
        _ => {
            if !odd.contains(&"creation_date") {
                odd.push(if text.is_empty() { "no creation_date" } else { "creation_date" });
            }
            (At::UNDATED, text)
        }
    }
}

/// The id of a document. If it is not an ObjectId, one is made from its text, so that the document is kept.
fn id(field: Field<Box<str>>, otherwise: &str, odd: &mut Vec<&'static str>) -> ObjectId {
    let text = field.take("_id", odd).unwrap_or_default();
    ObjectId::parse(&text).unwrap_or_else(|| {
        if !odd.contains(&"_id") {
            odd.push("_id");
        }
        made_up(&format!("{text}\n{otherwise}"))
    })
}

/// If documents of one page have the same id and date but different content, gives each an id made from its content, so
/// that each has its own place in a listing. A document that came twice is one.
pub fn tell_twins_apart(documents: &mut [Document]) {
    let mut by_key: Vec<_> = documents.iter_mut().collect();
    by_key.sort_by_key(|document| (document.at, document.id));
    for twins in by_key.chunk_by_mut(|a, b| (a.at, a.id) == (b.at, b.id)) {
        if twins.iter().all(|document| document.body == twins[0].body) {
            continue;
        }
        for document in twins {
            let odd = format!("several documents have the _id {}", document.id);
            document.id = made_up(&format!("{} {:?}", document.id, document.body));
            document.odd = Some(document.odd.take().map_or(odd.clone(), |other| format!("{other}, {odd}")).into());
        }
    }
}

/// An id that stands for `text`.
fn made_up(text: &str) -> ObjectId {
    let digest = Sha256Digest::of(text.as_bytes()).to_string();
    ObjectId::parse(&digest[..24]).unwrap_or(ObjectId::MIN)
}

fn oddness(odd: &[&str]) -> Option<Box<str>> {
    (!odd.is_empty()).then(|| odd.join(", ").into())
}

impl Served for ServedImage {
    fn reduce(self) -> Document {
        let mut odd = Vec::new();
        let (at, creation_date) = date(self.creation_date, &mut odd);
        let digest = |text: Option<Box<str>>| text.and_then(|text| ManifestDigest::parse(&text));
        let image_id = self.image_id.take("image_id", &mut odd);
        let mut repositories = Vec::new();
        for place in self.repositories.take("repositories", &mut odd).unwrap_or_default() {
            let Some(place) = place.take("repositories", &mut odd) else { continue };
            let mut tags = Vec::new();
            for tag in place.tags.take("tags", &mut odd).unwrap_or_default() {
                tags.extend(tag.take("tags", &mut odd).and_then(|tag| tag.name.take("tags.name", &mut odd)));
            }
            repositories.push(Repository {
                registry: place.registry.take("registry", &mut odd).unwrap_or_default(),
                repository: place.repository.take("repository", &mut odd).unwrap_or_default(),
                tags: tags.into(),
                manifest_list_digest: digest(place.manifest_list_digest.take("manifest_list_digest", &mut odd)),
                manifest_schema2_digest: digest(
                    place.manifest_schema2_digest.take("manifest_schema2_digest", &mut odd),
                ),
            });
        }
        let image = Image {
            id: id(self._id, image_id.as_deref().unwrap_or(&creation_date), &mut odd),
            creation_date,
            architecture: self.architecture.take("architecture", &mut odd).unwrap_or_default(),
            certified: self.certified.take("certified", &mut odd).unwrap_or_default(),
            image_id: digest(image_id),
            repositories: repositories.into(),
        };
        Document { id: image.id, at, odd: oddness(&odd), body: Body::Image(Box::new(image)) }
    }
}

impl Served for ServedOperator {
    fn reduce(self) -> Document {
        let mut odd = Vec::new();
        let (at, created) = date(self.creation_date, &mut odd);
        let _ = self.organization.take("organization", &mut odd);
        let operator = Operator {
            csv_name: self.csv_name.take("csv_name", &mut odd).unwrap_or_default(),
            ocp_version: self.ocp_version.take("ocp_version", &mut odd).unwrap_or_default(),
            channel_name: self.channel_name.take("channel_name", &mut odd).unwrap_or_default(),
        };
        let otherwise = format!("{created} {} {} {}", operator.csv_name, operator.ocp_version, operator.channel_name);
        let id = id(self._id, &otherwise, &mut odd);
        Document { id, at, odd: oddness(&odd), body: Body::Operator(Box::new(operator)) }
    }
}

impl Document {
    /// What is odd about it, with its id, for a person.
    pub fn oddity(&self) -> Option<String> {
        self.odd.as_ref().map(|odd| format!("{} ({})", self.id, sanitize(odd)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(json: &str) -> Document {
        serde_json::from_str::<ServedImage>(json).unwrap().reduce()
    }

    fn image(json: &str) -> Image {
        match document(json).body {
            Body::Image(image) => *image,
            Body::Operator(_) => unreachable!(),
        }
    }

    #[test]
    fn absent_and_null_are_the_same() {
        let sparse = image(r#"{"_id":"5f059f17bed8bd4f99d20100","creation_date":"2020-10-20T18:17:55+00:00"}"#);
        let nulls = image(
            r#"{"_id":"5f059f17bed8bd4f99d20100","creation_date":"2020-10-20T18:17:55+00:00","architecture":null,
                "certified":null,"image_id":null,"repositories":null,"unknown":1}"#,
        );
        assert_eq!(sparse, nulls);
        let inner = document(
            r#"{"_id":"5f059f17bed8bd4f99d20100","creation_date":"2020-10-20T18:17:55.5+00:00",
                "repositories":[null,{"registry":"r","repository":null,"tags":[null,{"name":null},{"name":"1"}]}]}"#,
        );
        assert_eq!(inner.odd, None);
        let Body::Image(inner) = inner.body else { unreachable!() };
        assert_eq!((inner.repositories.len(), &*inner.repositories[0].tags), (1, &["1".into()][..]));
        assert_eq!(&*inner.creation_date, "2020-10-20T18:17:55.5+00:00");
    }

    #[test]
    fn an_odd_field_costs_neither_the_document_nor_the_rest_of_it() {
        let odd = document(
            r#"{"_id":"5f059f17bed8bd4f99d20100","creation_date":"some time in spring","architecture":{"a":[1]},
                "certified":true,"image_id":7,"repositories":[3,{"registry":"r","tags":[{"name":"1"},{"name":2},"x"]}]}"#,
        );
        assert_eq!(odd.at, At::UNDATED);
        let said = odd.oddity().unwrap();
        for word in ["5f059f17bed8bd4f99d20100", "creation_date", "architecture", "image_id", "repositories", "tags"] {
            assert!(said.contains(word), "{said}");
        }
        let Body::Image(image) = odd.body else { unreachable!() };
        assert!(image.certified);
        assert_eq!((&*image.repositories[0].registry, &*image.repositories[0].tags), ("r", &["1".into()][..]));
    }

    #[test]
    fn documents_without_a_right_id_stay_apart() {
        let ids: Vec<_> = [r#"{"_id":"a"}"#, r#"{"_id":"b"}"#, r#"{"_id":7,"image_id":"x"}"#, r#"{"image_id":"y"}"#]
            .map(|json| (document(json).id, document(json).odd.unwrap()))
            .into();
        let distinct: std::collections::BTreeSet<_> = ids.iter().map(|(id, _)| *id).collect();
        assert_eq!(distinct.len(), 4);
        assert!(ids.iter().all(|(_, odd)| odd.contains("_id")), "{ids:?}");
    }
}
