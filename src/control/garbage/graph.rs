//! Who owns whom, and what is to be done about an object; no IO.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use crate::served::Served;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::{FOREGROUND, ORPHAN};

/// An object's place among its owners.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Served,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    finalizers: Vec<String>,
    pub(super) owners: Vec<Owner>,
    is_deleting: bool,
}

/// An owner as its dependent names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: String,
    blocks: bool,
}

/// What is to be done about an object.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// Nothing.
    Nothing,
    /// None of its owners is known: delete it if they are really gone.
    CheckOwners,
    /// It waits for these to be deleted.
    DeleteDependents(Vec<&'a Node>),
    /// It waits for its dependents to let go of it.
    ReleaseDependents,
    /// Nothing it waited for is left.
    Finish,
}

/// All objects by uid, and who depends on whom.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: HashMap<String, Node>,
    /// Dependents by the owner's uid, whether or not the owner is known.
    dependents: HashMap<String, BTreeSet<String>>,
    /// Objects to look at, each at most once: as many as there are objects.
    queue: VecDeque<String>,
    queued: BTreeSet<String>,
    /// The uids of each kind whose list is under way.
    listed: HashMap<String, HashSet<String>>,
}

// === impl Graph ===

impl Graph {
    pub(super) fn node(&self, uid: &str) -> Option<&Node> {
        self.nodes.get(uid)
    }

    /// Takes in an object as it is now.
    pub(super) fn put(&mut self, node: Node) {
        let known = self.nodes.get(&node.uid);
        let mut owners: BTreeSet<String> = known.into_iter().flat_map(|known| known.owner_uids()).collect();
        owners.extend(node.owner_uids());
        self.forget_owners(&node.uid);
        for owner in &node.owners {
            self.dependents.entry(owner.uid.clone()).or_default().insert(node.uid.clone());
        }
        let uid = node.uid.clone();
        self.nodes.insert(uid.clone(), node);
        self.look_at(&uid);
        // An owner that waits for its dependents, also one that it had, may have one less to wait for.
        owners.iter().for_each(|owner| self.look_at(owner));
    }

    /// A list of a kind begins.
    pub(super) fn begin_list(&mut self, kind: &Served) {
        self.listed.insert(kind.name(), HashSet::new());
    }

    /// Takes in an object of the list.
    pub(super) fn put_listed(&mut self, node: Node) {
        self.listed.entry(node.kind.name()).or_default().insert(node.uid.clone());
        self.put(node);
    }

    /// The list is complete: what is not in it has gone unseen.
    pub(super) fn end_list(&mut self, kind: &Served) {
        let listed = self.listed.remove(&kind.name()).unwrap_or_default();
        let of_kind = self.nodes.values().filter(|node| node.kind.name() == kind.name());
        let gone: Vec<String> =
            of_kind.filter(|node| !listed.contains(&node.uid)).map(|node| node.uid.clone()).collect();
        gone.iter().for_each(|uid| self.remove(uid));
        // Owners may have come and gone unseen, too.
        let strangers = self.dependents.iter().filter(|(owner, _)| !self.nodes.contains_key(*owner));
        let theirs: Vec<String> = strangers.flat_map(|(_, dependents)| dependents.clone()).collect();
        theirs.iter().for_each(|uid| self.look_at(uid));
    }

    /// Forgets an object that is gone.
    pub(super) fn remove(&mut self, uid: &str) {
        let owners: Vec<String> = self.nodes.get(uid).into_iter().flat_map(Node::owner_uids).collect();
        self.forget_owners(uid);
        self.nodes.remove(uid);
        let dependents = self.dependents.get(uid).cloned().unwrap_or_default();
        dependents.iter().chain(&owners).for_each(|other| self.look_at(other));
    }

    /// Puts an object on the list of those to look at, where there is anything to do about it: with
    /// every change of what decides that, it is put there anew.
    pub(super) fn look_at(&mut self, uid: &str) {
        let Some(node) = self.nodes.get(uid) else { return };
        if !matches!(self.step(node), Step::Nothing) && self.queued.insert(uid.to_owned()) {
            self.queue.push_back(uid.to_owned());
        }
    }

    pub(super) fn is_anything_to_look_at(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(super) fn has_dependents(&self, uid: &str) -> bool {
        self.dependents.contains_key(uid)
    }

    pub(super) fn next_to_look_at(&mut self) -> Option<String> {
        let uid = self.queue.pop_front()?;
        self.queued.remove(&uid);
        Some(uid)
    }

    /// What is to be done about an object.
    pub(super) fn step<'a>(&'a self, node: &'a Node) -> Step<'a> {
        if node.is_going_in_foreground() {
            return self.foreground_step(node);
        }
        if node.is_deleting && node.has(ORPHAN) {
            return Step::ReleaseDependents;
        }
        let is_orphan = !node.owners.is_empty()
            && !node.is_deleting
            && !node
                .owners
                .iter()
                .any(|owner| self.nodes.get(&owner.uid).is_some_and(|owner| owner.may_own(node)));
        if is_orphan { Step::CheckOwners } else { Step::Nothing }
    }

    fn foreground_step<'a>(&'a self, node: &'a Node) -> Step<'a> {
        let blocking = || self.dependents_of(node).filter(|dependent| dependent.blocks(&node.uid));
        let to_delete: Vec<&Node> =
            self.dependents_of(node).filter(|dependent| !dependent.is_deleting).collect();
        if !to_delete.is_empty() {
            return Step::DeleteDependents(to_delete);
        }
        if blocking().next().is_some() { Step::Nothing } else { Step::Finish }
    }

    fn dependents_of(&self, node: &Node) -> impl Iterator<Item = &Node> {
        let uids = self.dependents.get(&node.uid);
        uids.into_iter().flatten().filter_map(|uid| self.nodes.get(uid))
    }

    fn forget_owners(&mut self, uid: &str) {
        let Some(node) = self.nodes.get(uid) else { return };
        for owner in &node.owners {
            if let Some(dependents) = self.dependents.get_mut(&owner.uid) {
                dependents.remove(uid);
                if dependents.is_empty() {
                    self.dependents.remove(&owner.uid);
                }
            }
        }
    }
}

// === impl Node ===

impl Node {
    pub(super) fn of(kind: &Served, meta: &ObjectMeta) -> Self {
        let owners = meta.owner_references.iter().flatten();
        Self {
            kind: kind.clone(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            finalizers: meta.finalizers.clone().unwrap_or_default(),
            owners: owners.map(Owner::of).collect(),
            is_deleting: meta.deletion_timestamp.is_some(),
        }
    }

    /// Whether it is where an owner of the other can be: in the same namespace, or in none.
    fn may_own(&self, other: &Node) -> bool {
        self.namespace.is_empty() || self.namespace == other.namespace
    }

    /// Whether it is being deleted and waits for its dependents.
    pub(super) fn is_going_in_foreground(&self) -> bool {
        self.is_deleting && self.has(FOREGROUND)
    }

    fn owner_uids(&self) -> impl Iterator<Item = String> + '_ {
        self.owners.iter().map(|owner| owner.uid.clone())
    }

    fn has(&self, finalizer: &str) -> bool {
        self.finalizers.iter().any(|one| one == finalizer)
    }

    fn blocks(&self, owner_uid: &str) -> bool {
        self.owners.iter().any(|owner| owner.uid == owner_uid && owner.blocks)
    }
}

// === impl Owner ===

impl Owner {
    fn of(reference: &OwnerReference) -> Self {
        Self { uid: reference.uid.clone(), blocks: reference.block_owner_deletion == Some(true) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(index: usize) -> Served {
        Served::bundled(&spur_api::REGISTRY[index])
    }

    fn node(uid: &str, owners: &[&str], finalizers: &[&str], is_deleting: bool) -> Node {
        let owner = |uid: &&str| OwnerReference {
            uid: (*uid).to_owned(),
            block_owner_deletion: Some(true),
            ..OwnerReference::default()
        };
        let mut node = Node::of(
            &kind(0),
            &ObjectMeta {
                uid: Some(uid.to_owned()),
                owner_references: Some(owners.iter().map(owner).collect()),
                finalizers: Some(finalizers.iter().map(|one| (*one).to_owned()).collect()),
                ..ObjectMeta::default()
            },
        );
        node.is_deleting = is_deleting;
        node
    }

    fn step(graph: &Graph, uid: &str) -> String {
        let uids = |nodes: &[&Node]| nodes.iter().map(|node| node.uid.clone()).collect::<Vec<_>>().join(",");
        match graph.step(graph.node(uid).expect("a known object")) {
            Step::Nothing => "nothing".to_owned(),
            Step::CheckOwners => "check".to_owned(),
            Step::DeleteDependents(nodes) => format!("delete {}", uids(&nodes)),
            Step::ReleaseDependents => "release".to_owned(),
            Step::Finish => "finish".to_owned(),
        }
    }

    #[test]
    fn an_object_goes_with_the_last_of_its_owners() {
        let mut graph = Graph::default();
        graph.put(node("a", &[], &[], false));
        graph.put(node("b", &[], &[], false));
        graph.put(node("c", &["a", "b"], &[], false));
        assert_eq!(step(&graph, "c"), "nothing");
        graph.remove("a");
        assert_eq!(step(&graph, "c"), "nothing");
        graph.remove("b");
        assert_eq!(step(&graph, "c"), "check");
        let mut looked_at = Vec::new();
        while let Some(uid) = graph.next_to_look_at() {
            looked_at.push(uid);
        }
        assert!(looked_at.contains(&"c".to_owned()));
    }

    #[test]
    fn a_foreground_deletion_goes_from_the_leaves_up() {
        let mut graph = Graph::default();
        graph.put(node("top", &[], &[FOREGROUND], true));
        graph.put(node("leaf", &["top"], &[], false));
        assert_eq!(step(&graph, "top"), "delete leaf");
        graph.put(node("leaf", &["top"], &[], true));
        assert_eq!(step(&graph, "top"), "nothing");
        graph.remove("leaf");
        assert_eq!(step(&graph, "top"), "finish");
    }

    #[test]
    fn orphans_are_released() {
        let mut graph = Graph::default();
        graph.put(node("top", &[], &[ORPHAN], true));
        graph.put(node("leaf", &["top"], &[], false));
        assert_eq!(step(&graph, "top"), "release");
    }

    #[test]
    fn what_a_later_list_no_longer_holds_is_gone_and_its_dependents_are_looked_at() {
        let mut graph = Graph::default();
        let kind = &kind(0);
        graph.put(node("owner", &[], &[], false));
        graph.put(node("dependent", &["owner"], &[], false));
        graph.begin_list(kind);
        graph.put_listed(node("dependent", &["owner"], &[], false));
        assert_eq!(step(&graph, "dependent"), "nothing");
        graph.end_list(kind);
        assert!(graph.node("owner").is_none());
        assert_eq!(step(&graph, "dependent"), "check");
        assert!(graph.is_anything_to_look_at());
    }

    #[test]
    fn a_list_makes_look_at_those_whose_owner_was_never_seen() {
        let mut graph = Graph::default();
        graph.put(node("dependent", &["never-seen"], &[], false));
        while graph.next_to_look_at().is_some() {}
        graph.begin_list(&kind(1));
        graph.end_list(&kind(1));
        assert_eq!(graph.next_to_look_at().as_deref(), Some("dependent"));
    }

    #[test]
    fn a_list_of_one_kind_says_nothing_of_others() {
        let mut graph = Graph::default();
        graph.put(node("a", &[], &[], false));
        graph.begin_list(&kind(1));
        graph.end_list(&kind(1));
        assert!(graph.node("a").is_some());
    }

    #[test]
    fn owners_in_a_circle_do_not_collect_each_other() {
        let mut graph = Graph::default();
        graph.put(node("a", &["b"], &[], false));
        graph.put(node("b", &["a"], &[], false));
        assert_eq!(step(&graph, "a"), "nothing");
    }
}
