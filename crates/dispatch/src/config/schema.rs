//! What a setting is: its name, the values it takes, what it means and where it goes. [`settings_tables!`] makes of one
//! declaration the struct that a file is read into and the table that checks its names and values and writes the
//! reference page, so that the three cannot drift apart.

use std::fmt;

/// A table of settings, such as `[profiles.NAME]`.
#[derive(Debug)]
pub(crate) struct Table {
    /// Where it stands in the file, as a person writes it; empty for the top.
    pub(crate) heading: &'static str,
    /// What it is for, for the reference page.
    pub(crate) about: &'static str,
    pub(crate) settings: &'static [Setting],
    /// Another table whose settings it has too, except some.
    pub(crate) also: Option<(&'static Table, &'static [&'static str])>,
    /// Pairs of settings of which only one can be given.
    pub(crate) either: &'static [(&'static str, &'static str)],
    /// Settings that mean nothing without another one.
    pub(crate) needs: &'static [(&'static str, &'static str)],
}

impl Table {
    /// The setting of this name, or of this second name.
    pub(crate) fn find(&self, name: &str) -> Option<&'static Setting> {
        self.all().find(|setting| setting.name == name || setting.alias == Some(name))
    }

    /// All settings, those of another table that it has too among them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'static Setting> + use<> {
        let (others, without) = self.also.map_or((&[][..], &[][..]), |(table, without)| (table.settings, without));
        self.settings.iter().chain(others.iter().filter(|setting| !without.contains(&setting.name)))
    }

    /// All names, second ones too.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        let names: Vec<&'static str> = self.all().flat_map(|setting| std::iter::once(setting.name).chain(setting.alias)).collect();
        names.into_iter()
    }
}

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    /// A second name that is read as the same.
    pub(crate) alias: Option<&'static str>,
    pub(crate) meaning: &'static str,
    pub(crate) shape: Shape,
    /// What holds when it is not given.
    pub(crate) default: Option<&'static str>,
    /// The field of a request it becomes, as a path.
    pub(crate) sends: Option<&'static str>,
    /// How it is written, one form each.
    pub(crate) examples: &'static [&'static str],
}

/// The values a setting takes.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Any text that is not empty.
    Text,
    /// Text of at most so many characters.
    TextUpTo(usize),
    /// A key: its value is never shown.
    Key,
    /// An address that begins with `http://` or `https://`.
    Url,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Whole(i64, i64),
    /// A number between two bounds, both included.
    Number(f64, f64),
    /// A number above the first bound, up to the second.
    Above(f64, f64),
    /// An amount of money, never negative.
    Dollars,
    /// A stretch of time of at most so many seconds.
    Span(u64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list.
    List(&'static Shape, usize),
    /// A list, or one item by itself.
    OneOrMore(&'static Shape, usize),
    /// Either of two.
    Either(&'static Shape, &'static Shape),
    /// Header names with their texts; the texts are never shown.
    Headers,
    /// Token ids with a bias.
    Bias,
    /// A category of apps.
    Category,
    /// A plugin by its id, or a table with an `id`.
    Plugin,
    /// A table that is passed on as it is.
    Anything,
    /// A table of settings.
    Table(&'static Table),
    /// Tables of settings by name.
    Named(&'static Table),
    /// A list of tables of settings.
    Tables(&'static Table),
}

impl fmt::Display for Shape {
    /// As it stands after "must be", and in the reference page.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text | Self::Key => f.write_str("text"),
            Self::TextUpTo(most) => write!(f, "text of at most {most} characters"),
            Self::Url => f.write_str("an address with http:// or https://"),
            Self::Flag => f.write_str("true or false"),
            Self::Whole(i64::MIN, _) => f.write_str("a whole number"),
            // the bound of the type says nothing to a person
            Self::Whole(least, most) if *most >= i64::from(u32::MAX) => write!(f, "a whole number from {least}"),
            Self::Whole(least, most) => write!(f, "a whole number from {least} to {most}"),
            Self::Number(least, most) if most.is_infinite() => write!(f, "a number from {least}"),
            Self::Number(least, most) => write!(f, "a number from {least} to {most}"),
            Self::Above(bound, most) if most.is_infinite() => write!(f, "a number above {bound}"),
            Self::Above(bound, most) => write!(f, "a number above {bound} up to {most}"),
            Self::Dollars => f.write_str("dollars"),
            Self::Span(most) if *most <= 86_400 => f.write_str("seconds, or a time such as \"90s\" or \"2m\", up to a day"),
            Self::Span(_) => f.write_str("seconds, or a time such as \"12h\" or \"30d\""),
            Self::OneOf(words) => f.write_str(&any_of(words)),
            Self::List(item, usize::MAX) => write!(f, "a list; each item {item}"),
            Self::List(item, most) => write!(f, "a list of at most {most}; each item {item}"),
            Self::OneOrMore(item, most) => write!(f, "{item}, or a list of at most {most}"),
            Self::Either(one, other) => write!(f, "{one}, or {other}"),
            Self::Headers => f.write_str("texts by header name"),
            Self::Bias => f.write_str("numbers from -100 to 100 by token id"),
            Self::Category => f.write_str("at most 30 lowercase letters, digits and hyphens"),
            Self::Plugin => f.write_str("a plugin's id, or a table with an id"),
            Self::Anything => f.write_str("a table"),
            Self::Table(table) if table.heading.starts_with('{') => f.write_str(table.heading),
            Self::Table(_) => f.write_str("a table"),
            Self::Named(_) => f.write_str("tables by name"),
            Self::Tables(_) => f.write_str("a list of tables"),
        }
    }
}

/// `"a", "b" or "c"`.
pub(crate) fn any_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => format!("{only:?}"),
        [others @ .., last] => format!("{} or {last:?}", others.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")),
    }
}

/// Whether a setting was not given, so that it need not be written out.
pub(crate) fn is_unset<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// One declaration, two things: a struct that serde reads, and the [`Table`] of its settings. Serde would let unknown
/// names pass; what is read has always been checked against the table before.
macro_rules! settings_tables {
    ($(
        $(#[doc = $about:literal])+
        pub struct $table:ident at $heading:literal
            $(either $($one:literal | $other:literal),+)? $(where $($needy:literal needs $needed:literal),+)? {
            $(
                $(#[doc = $meaning:literal])+
                $(#[serde($($serde:tt)*)])?
                $visibility:vis $name:ident $(or $alias:literal)?: $type:ty = $shape:expr
                    $(, default $default:literal)? $(, sends $sends:literal)?, $(example $example:literal),+;
            )+
            $(
                ..
                $(#[doc = $besides:literal])+
                $rest:ident: $rest_type:ident except $($without:literal),+;
            )?
        }
    )+) => {$(
        $(#[doc = $about])+
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $table {
            $(
                $(#[doc = $meaning])+
                $(#[serde(alias = $alias)])?
                $(#[serde($($serde)*)])?
                #[serde(skip_serializing_if = "crate::config::schema::is_unset")]
                $visibility $name: $type,
            )+
            $(
                $(#[doc = $besides])+
                #[serde(flatten)]
                pub $rest: $rest_type,
            )?
        }

        impl $table {
            /// The settings of this table.
            pub(crate) const TABLE: crate::config::schema::Table = crate::config::schema::Table {
                heading: $heading,
                about: concat!($($about),+),
                settings: &[$(crate::config::schema::Setting {
                    name: stringify!($name),
                    alias: crate::config::schema::optional!($($alias)?),
                    meaning: concat!($($meaning),+),
                    shape: $shape,
                    default: crate::config::schema::optional!($($default)?),
                    sends: crate::config::schema::optional!($($sends)?),
                    examples: &[$($example),+],
                }),+],
                also: crate::config::schema::optional!($((&$rest_type::TABLE, &[$($without),+]))?),
                either: &[$($(($one, $other)),+)?],
                needs: &[$($(($needy, $needed)),+)?],
            };
        }
    )+};
}

macro_rules! optional {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

pub(crate) use {optional, settings_tables};
