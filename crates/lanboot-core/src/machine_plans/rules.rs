//! The rules of the configuration: which machines each is for, and the groups they are in.

use std::collections::{BTreeMap, HashMap};

use super::fields::PlanFields;
use super::identity::Identity;
use super::pattern::Pattern;
use crate::machine::{Mac, Uuid};
use crate::text::{self, nearest};

/// Most rules of a configuration.
const MAX_RULES: usize = 16_384;
/// Most of them that name no single hardware address: each is tried for every machine.
const MAX_PATTERNS: usize = 1024;
/// Most groups.
const MAX_GROUPS: usize = 1024;
/// Most groups that one rule has, with those of its groups.
const MAX_DEPTH: usize = 32;

/// The requirements of a rule; everything that is given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Matcher {
    /// Its hardware address, or a pattern such as `52:54:00:*`.
    pub mac: Option<Pattern>,
    /// The UUID of its board.
    pub uuid: Option<Uuid>,
    /// Its serial number.
    pub serial: Option<Pattern>,
    /// Its asset tag.
    pub asset_tag: Option<Pattern>,
}

/// A rule: the plan of the machines that fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its place in the configuration: `FILE:LINE`.
    pub place: String,
    /// The machines it is for.
    pub matcher: Matcher,
    /// The groups that it is in, the first one counting more.
    pub groups: Vec<String>,
    /// Its keys.
    pub fields: PlanFields,
}

/// A group: keys that several rules share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its place in the configuration.
    pub place: String,
    /// Its name.
    pub name: String,
    /// The groups that it is in.
    pub groups: Vec<String>,
    /// Its keys.
    pub fields: PlanFields,
}

/// Every rule of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Rules that name one hardware address, by it.
    exact: HashMap<Mac, Rule>,
    /// The others, in the order in which they count.
    others: Vec<Rule>,
    groups: BTreeMap<String, Group>,
    /// True if some rule asks for more than a hardware address. Every DHCP message asks for this.
    ask_for_more: bool,
}

/// A configuration that makes no sense. Displays without its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRules {
    /// A rule is for no machine.
    #[error("[[machine]] names no machine; write mac or uuid")]
    Nothing,
    /// Two rules are for the same machines.
    #[error("this [[machine]] is for the same machine as that of {0}; make one of them")]
    Twice(String),
    /// Two groups have one name.
    #[error("the group '{}' is there already, at {place}", text::line(name))]
    GroupTwice {
        /// The name.
        name: String,
        /// The place of the first one.
        place: String,
    },
    /// There is no such group.
    #[error("there is no group '{}'{}", text::line(name),
        near.as_ref().map(|near| format!("; did you mean '{near}'?")).unwrap_or_default())]
    NoGroup {
        /// The name.
        name: String,
        /// The closest name there is.
        near: Option<String>,
    },
    /// A group is in itself.
    #[error("the group '{}' is in itself", text::line(.0))]
    Circle(String),
    /// There are too many of something.
    #[error("more than {1} {0}")]
    TooMany(&'static str, usize),
}

impl Rules {
    /// Makes rules of what is in the configuration, in its order.
    ///
    /// # Errors
    /// Returns the place of what makes no sense, and the reason.
    pub fn new(rules: Vec<Rule>, groups: Vec<Group>) -> Result<Self, (String, BadRules)> {
        let mut made = Self::default();
        for group in groups {
            if made.groups.len() == MAX_GROUPS {
                return Err((group.place, BadRules::TooMany("groups", MAX_GROUPS)));
            }
            if let Some(first) = made.groups.get(&group.name) {
                let (name, place) = (group.name, first.place.clone());
                return Err((group.place, BadRules::GroupTwice { name, place }));
            }
            made.groups.insert(group.name.clone(), group);
        }
        for group in made.groups.values() {
            let mut path = vec![group.name.as_str()];
            let checked = made.check_groups(&group.groups, &mut path);
            checked.map_err(|why| (group.place.clone(), why))?;
        }
        for rule in rules {
            let place = rule.place.clone();
            made.add(rule).map_err(|why| (place, why))?;
        }
        made.others.sort_by_key(|rule| rule.matcher.rank());
        Ok(made)
    }

    /// Lists the rules that are for a machine, the one that counts most first.
    pub(super) fn of<'a>(&'a self, machine: &Identity<'_>) -> impl Iterator<Item = &'a Rule> {
        let exact = self.exact.get(&machine.mac);
        let exact = exact.filter(|rule| rule.matcher.fits(machine));
        let others = self.others.iter();
        exact
            .into_iter()
            .chain(others.filter(|rule| rule.matcher.fits(machine)))
    }

    /// Lists the groups of these names, and their groups, the one that counts most first.
    pub(super) fn groups<'a>(&'a self, names: &'a [String]) -> Vec<&'a Group> {
        let mut found: Vec<&Group> = Vec::new();
        let mut waiting: Vec<&str> = names.iter().rev().map(String::as_str).collect();
        while let Some(name) = waiting.pop() {
            let known = found.iter().any(|group| group.name == name);
            let Some(group) = self.groups.get(name).filter(|_| !known) else {
                continue;
            };
            found.push(group);
            waiting.extend(group.groups.iter().rev().map(String::as_str));
        }
        found
    }

    /// Lists every rule and group with its place and its keys.
    pub fn all(&self) -> impl Iterator<Item = (&str, &PlanFields)> {
        let rules = self.exact.values().chain(&self.others);
        let rules = rules.map(|rule| (rule.place.as_str(), &rule.fields));
        let groups = self.groups.values();
        rules.chain(groups.map(|group| (group.place.as_str(), &group.fields)))
    }

    /// Returns whether some rule asks for more of a machine than its hardware address.
    pub fn ask_for_more_than_mac(&self) -> bool {
        self.ask_for_more
    }

    /// Returns whether there is neither a rule nor a group.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.others.is_empty() && self.groups.is_empty()
    }

    fn add(&mut self, rule: Rule) -> Result<(), BadRules> {
        if rule.matcher == Matcher::default() {
            return Err(BadRules::Nothing);
        }
        self.check_groups(&rule.groups, &mut Vec::new())?;
        self.ask_for_more |= rule.matcher.asks_for_more_than_mac();
        if let Some(mac) = rule.matcher.exact_mac() {
            if let Some(first) = self.exact.get(&mac) {
                return Err(BadRules::Twice(first.place.clone()));
            }
            if self.exact.len() == MAX_RULES {
                return Err(BadRules::TooMany("[[machine]]s", MAX_RULES));
            }
            self.exact.insert(mac, rule);
            return Ok(());
        }
        let mut others = self.others.iter();
        if let Some(first) = others.find(|other| other.matcher == rule.matcher) {
            return Err(BadRules::Twice(first.place.clone()));
        }
        if self.others.len() == MAX_PATTERNS {
            let what = "[[machine]]s without the whole mac of a machine";
            return Err(BadRules::TooMany(what, MAX_PATTERNS));
        }
        self.others.push(rule);
        Ok(())
    }

    /// Checks that these groups exist and that none is in itself. `path` is how they were reached.
    fn check_groups<'a>(
        &'a self,
        names: &'a [String],
        path: &mut Vec<&'a str>,
    ) -> Result<(), BadRules> {
        for name in names {
            if path.contains(&name.as_str()) || path.len() >= MAX_DEPTH {
                return Err(BadRules::Circle(name.clone()));
            }
            let Some(group) = self.groups.get(name) else {
                let near = nearest(name, self.groups.keys().map(String::as_str));
                return Err(BadRules::NoGroup {
                    name: name.clone(),
                    near: near.map(str::to_owned),
                });
            };
            path.push(name);
            self.check_groups(&group.groups, path)?;
            path.pop();
        }
        Ok(())
    }
}

impl Matcher {
    /// Tests whether a machine fits.
    fn fits(&self, machine: &Identity<'_>) -> bool {
        let text = |wanted: &Option<Pattern>, is: Option<&str>| match (wanted, is) {
            (None, _) => true,
            (Some(wanted), Some(is)) => wanted.matches(is),
            (Some(_), None) => false,
        };
        text(&self.mac, Some(&machine.mac.to_string()))
            && self.uuid.is_none_or(|uuid| machine.uuid == Some(uuid))
            && text(&self.serial, machine.serial)
            && text(&self.asset_tag, machine.asset_tag)
    }

    /// Returns whether it asks for more than a hardware address.
    fn asks_for_more_than_mac(&self) -> bool {
        let Self {
            mac: _,
            uuid,
            serial,
            asset_tag,
        } = self;
        uuid.is_some() || serial.is_some() || asset_tag.is_some()
    }

    /// Returns the one hardware address that it names.
    pub fn exact_mac(&self) -> Option<Mac> {
        self.mac.as_ref()?.to_string().parse().ok()
    }

    /// Returns the order in which it counts, among those that name no single hardware address.
    fn rank(&self) -> u8 {
        let exact = |pattern: &Option<Pattern>| pattern.as_ref().is_some_and(Pattern::is_exact);
        match self {
            _ if self.uuid.is_some() => 0,
            _ if exact(&self.serial) || exact(&self.asset_tag) => 1,
            _ => 2,
        }
    }
}
