//! The records of JSON and YAML inputs: only the fields that questions are made of.
//!
//! Every field is optional. A number or a boolean counts as text; a field of any other wrong type counts as absent: an
//! input holds objects of many kinds, whose fields of equal names have other shapes, and one odd record must not stop
//! the others. Fields that are not named here are skipped unread.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::base::limits;

/// A text.
pub(super) type Text = Field<AsText>;
/// A list.
pub(super) type List<T> = Field<AsList<T>>;
/// An object.
pub(super) type Object<T> = Field<AsObject<T>>;

/// A field that is absent where its value has another shape.
pub(super) struct Field<S: Shape>(pub(super) Option<S::Value>);

impl<S: Shape> Default for Field<S> {
    fn default() -> Self {
        Self(None)
    }
}

impl Text {
    /// The text, where it is there and not empty.
    pub(super) fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }
}

impl<T> List<T>
where
    AsList<T>: Shape<Value = Vec<T>>,
{
    /// The elements; none if there is no list.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.as_deref().unwrap_or_default().iter()
    }
}

/// What a field is read as.
pub(super) trait Shape {
    type Value;

    fn text(_: &str) -> Option<Self::Value> {
        None
    }

    fn list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self::Value>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Option<Self::Value>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

pub(super) struct AsText;
pub(super) struct AsList<T>(PhantomData<T>);
pub(super) struct AsObject<T>(PhantomData<T>);

impl Shape for AsText {
    type Value = String;

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }
}

impl<T: for<'a> Deserialize<'a>> Shape for AsList<T> {
    type Value = Vec<T>;

    fn list<'de, A: SeqAccess<'de>>(list: A) -> Result<Option<Vec<T>>, A::Error> {
        elements(list).map(Some)
    }
}

thread_local! {
    /// How many more records the input may have. What reads them is made by derives, which pass nothing on.
    static ROOM: Cell<usize> = const { Cell::new(limits::RECORDS) };
    /// How many more bytes of texts.
    static TEXT_ROOM: Cell<usize> = const { Cell::new(limits::RECORDS_TEXT_BYTES) };
}

/// Runs `read`, which may keep [`limits::RECORDS`] records in all, documents and elements of lists, and
/// [`limits::RECORDS_TEXT_BYTES`] of their texts.
pub(super) fn bounded<T>(read: impl FnOnce() -> T) -> T {
    ROOM.set(limits::RECORDS);
    TEXT_ROOM.set(limits::RECORDS_TEXT_BYTES);
    read()
}

/// Counts one record.
pub(super) fn take_room<E: serde::de::Error>() -> Result<(), E> {
    let room = ROOM.get().checked_sub(1).ok_or_else(|| {
        let max = crate::base::text::count(limits::RECORDS as u64);
        E::custom(format_args!("more than {max} records"))
    })?;
    ROOM.set(room);
    Ok(())
}

fn elements<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(mut list: A) -> Result<Vec<T>, A::Error> {
    let mut elements = Vec::new();
    while let Some(element) = list.next_element()? {
        take_room()?;
        elements.push(element);
    }
    Ok(elements)
}

impl<T: for<'a> Deserialize<'a>> Shape for AsObject<T> {
    type Value = T;

    fn object<'de, A: MapAccess<'de>>(object: A) -> Result<Option<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(Some)
    }
}

impl<'de, S: Shape> Deserialize<'de> for Field<S> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any<S>(PhantomData<S>);
        impl<'de, S: Shape> Visitor<'de> for Any<S> {
            type Value = Option<S::Value>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
                Ok(S::text(&value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
                Ok(S::text(&value.to_string()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
                Ok(S::text(&value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
                Ok(S::text(&value.to_string()))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let room = TEXT_ROOM.get().checked_sub(text.len()).ok_or_else(|| {
                    E::custom(format_args!("more than {} MB of names", limits::RECORDS_TEXT_BYTES >> 20))
                })?;
                TEXT_ROOM.set(room);
                Ok(S::text(text))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_none<E>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
                from.deserialize_any(self)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                S::list(list)
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
                S::object(object)
            }
        }
        from.deserialize_any(Any(PhantomData::<S>)).map(Field)
    }
}

/// Fields that are absent unless they are named: derives with `default` on everything.
macro_rules! records {
    ($($(#[$attribute:meta])* $name:ident { $($(#[$field_attribute:meta])* $field:ident: $type:ty,)* })*) => {$(
        #[derive(Default, serde::Deserialize)]
        #[serde(default)]
        $(#[$attribute])*
        pub(super) struct $name {
            $($(#[$field_attribute])* pub(super) $field: $type,)*
        }
    )*};
}

/// A document, or an element of a list.
pub(super) enum Node {
    Record(Box<Record>),
    List(Vec<Node>),
    Text(String),
    Other,
}

/// What a [`Node`] is read as; a text, a list and an object all are something.
pub(super) struct AsNode;

impl Shape for AsNode {
    type Value = Node;

    fn text(text: &str) -> Option<Node> {
        Some(Node::Text(text.to_owned()))
    }

    fn list<'de, A: SeqAccess<'de>>(list: A) -> Result<Option<Node>, A::Error> {
        elements(list).map(|list| Some(Node::List(list)))
    }

    fn object<'de, A: MapAccess<'de>>(object: A) -> Result<Option<Node>, A::Error> {
        Record::deserialize(MapAccessDeserializer::new(object)).map(|record| Some(Node::Record(Box::new(record))))
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Field::<AsNode>::deserialize(from).map(|field| field.0.unwrap_or(Node::Other))
    }
}

/// The chart of a release: `name-version` in what `helm ls` prints, an object in a claim and in Helm's own records.
pub(super) enum Chart {
    Joined(String),
    Named(ChartFields),
}

/// What a [`Chart`] is read as.
pub(super) struct AsChart;

impl Shape for AsChart {
    type Value = Chart;

    fn text(text: &str) -> Option<Chart> {
        Some(Chart::Joined(text.to_owned()))
    }

    fn object<'de, A: MapAccess<'de>>(object: A) -> Result<Option<Chart>, A::Error> {
        ChartFields::deserialize(MapAccessDeserializer::new(object)).map(|chart| Some(Chart::Named(chart)))
    }
}

records! {
    /// Any object at the top of a document or in a list of them.
    Record {
        kind: Text,
        items: List<Node>,
        metadata: Object<Box<Metadata>>,
        spec: Object<Box<PodSpec>>,
        status: Object<Box<Status>>,
        claim: Object<Box<Claim>>,
        // Helm's releases.
        name: Text,
        namespace: Text,
        chart: Field<AsChart>,
        // `crictl images`, and the image records of it, of podman and of docker.
        images: List<Node>,
        #[serde(alias = "RepoTags")]
        #[serde(rename = "repoTags")]
        repo_tags: List<Text>,
        #[serde(alias = "RepoDigests")]
        #[serde(rename = "repoDigests")]
        repo_digests: List<Text>,
        #[serde(rename = "Names")]
        names: List<Text>,
        #[serde(rename = "Repository")]
        repository: Text,
        #[serde(rename = "Tag")]
        tag: Text,
        #[serde(rename = "Digest")]
        digest: Text,
        #[serde(alias = "Id")]
        #[serde(alias = "ID")]
        id: Text,
    }

    Metadata {
        name: Text,
        namespace: Text,
        #[serde(rename = "deletionTimestamp")]
        deletion_timestamp: Text,
    }

    #[serde(rename_all = "camelCase")]
    PodSpec {
        init_containers: List<Object<Container>>,
        containers: List<Object<Container>>,
        ephemeral_containers: List<Object<Container>>,
    }

    Container {
        name: Text,
        image: Text,
    }

    #[serde(rename_all = "camelCase")]
    Status {
        phase: Text,
        /// `Copied` where the operator is installed in another namespace.
        reason: Text,
        init_container_statuses: List<Object<ContainerStatus>>,
        container_statuses: List<Object<ContainerStatus>>,
        ephemeral_container_statuses: List<Object<ContainerStatus>>,
    }

    ContainerStatus {
        name: Text,
        #[serde(rename = "imageID")]
        image_id: Text,
    }

    ChartFields {
        metadata: Object<ChartMetadata>,
    }

    ChartMetadata {
        name: Text,
        version: Text,
    }

    /// certsuite's claim: its test environment, as its Go structures print it.
    Claim {
        configurations: Object<Configurations>,
        versions: Object<Versions>,
    }

    Versions {
        ocp: Text,
        k8s: Text,
        #[serde(rename = "certSuite")]
        cert_suite: Text,
        tnf: Text,
        #[serde(rename = "claimFormat")]
        claim_format: Text,
    }

    #[serde(rename_all = "camelCase")]
    Configurations {
        test_containers: List<Object<TestContainer>>,
        test_pods: List<Object<Record>>,
        test_operators: List<Object<Record>>,
        test_csvs: List<Object<Record>>,
        test_helm_chart_releases: List<Object<Record>>,
        #[serde(rename = "OpenshiftVersion")]
        openshift_version: Text,
        #[serde(rename = "K8sVersion")]
        kube_version: Text,
    }

    TestContainer {
        name: Text,
        image: Text,
        #[serde(rename = "Data")]
        data: Object<Container>,
        #[serde(rename = "Status")]
        status: Object<ContainerStatus>,
        #[serde(rename = "Namespace")]
        namespace: Text,
        #[serde(rename = "Podname")]
        pod: Text,
        #[serde(rename = "ContainerImageIdentifier")]
        identifier: Object<Identifier>,
    }

    Identifier {
        registry: Text,
        repository: Text,
        tag: Text,
        digest: Text,
    }
}
