//! Loaders: what many parents ask for one by one is read in one statement.
//!
//! One set for each operation and snapshot, never shared between callers. The `dataloader` crate keeps what was read; this module takes care of
//! its sharp edges: keys are gathered until no sibling asks any more, however many there are; the operation itself runs the statement, so that a
//! waiting field that is dropped does not take the others' answer with it; every key gets an answer, so that a missing row is `None` and not a
//! panic; and a failure reaches everyone who waited.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use dataloader::BatchFn;
use dataloader::cached::Loader;
use futures_util::FutureExt;
use futures_util::future::{Shared, try_join_all};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::access::operation::Reader;
use crate::access::same::{Same, SameArguments};
use crate::access::turns::Turns;
use crate::base::page::{OrderField, Page, Window};
use crate::base::{Error, Map, Result};

/// More keys than any page of pages can ask for: a batch must not be cut, or the number of statements would grow with the parents.
const MAX_BATCH: usize = 100_000;

/// A batch function: the rows for many keys in a fixed number of statements.
pub trait Batch: Send + Sync + 'static {
    /// What a row is asked for by.
    type Key: Clone + Debug + Eq + Hash + Send + Sync + 'static;
    /// What is answered; cheap to clone.
    type Value: Clone + Send + Sync + 'static;

    /// Reads the values; a key without one is left out.
    fn load(reader: Reader, keys: Vec<Self::Key>) -> impl Future<Output = Result<Map<Self::Key, Self::Value>>> + Send;
}

/// A list that parents have: the parents that stand beside each other, and the list's arguments, which they share.
#[derive(Clone, PartialEq, Eq)]
pub struct ListKey<A> {
    /// The parents' ids.
    pub parents: Arc<[Uuid]>,
    /// Filter, window and whatever else the field takes.
    pub args: Same<A>,
}

impl<A> Hash for ListKey<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // By the first of them: the crate hashes each key several times, and there are few keys.
        (self.parents.first(), self.parents.len(), &self.args).hash(state);
    }
}

impl<A> Debug for ListKey<A> {
    /// In short: the crate writes a message for each key, whether or not it is needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
}

/// What each parent has.
pub type OfParents<V> = Arc<Map<Uuid, V>>;

/// What parents have, as it was read at several times.
#[derive(Clone)]
pub struct Lists<V>(Vec<OfParents<V>>);

impl<V> Lists<V> {
    /// What a parent has.
    #[must_use]
    pub fn of(&self, parent: Uuid) -> Option<&V> {
        self.0.iter().find_map(|known| known.get(&parent))
    }
}

/// Rows with the parent that each belongs to, as a statement for many parents reads them.
pub type ByParent<R> = Vec<(Option<Uuid>, Arc<R>)>;

impl<A: Eq + Hash> ListKey<A> {
    /// A page for each parent: one statement for all parents that share their arguments, and those of different arguments side by side.
    ///
    /// # Errors
    /// What a statement failed with.
    pub async fn pages<R, F, Fut, O>(keys: Vec<Self>, read: F, window: fn(&A) -> &Window<O>) -> Result<Map<Self, OfParents<Page<Arc<R>>>>>
    where
        F: Fn(Same<A>, Vec<Uuid>) -> Fut,
        Fut: Future<Output = Result<ByParent<R>>>,
        O: OrderField,
    {
        Self::read_together(keys, read, |args, parents, rows| {
            let mut by_parent: Map<Uuid, Vec<Arc<R>>> = Map::default();
            // A statement for many parents gives those of one after those of another.
            let mut rows = rows.into_iter().peekable();
            while let Some((parent, row)) = rows.next() {
                let list = by_parent.entry(parent.unwrap_or_default()).or_default();
                list.push(row);
                while let Some((_, row)) = rows.next_if(|(of, _)| *of == parent) {
                    list.push(row);
                }
            }
            let mut page_of = |parent| window(args).page(by_parent.remove(&parent).unwrap_or_default());
            parents.into_iter().map(|parent| (parent, page_of(parent))).collect()
        })
        .await
    }

    /// A count for each parent, zero where there is nothing to count.
    ///
    /// # Errors
    /// What a statement failed with.
    pub async fn counts<F, Fut>(keys: Vec<Self>, read: F) -> Result<Map<Self, OfParents<i64>>>
    where
        F: Fn(Same<A>, Vec<Uuid>) -> Fut,
        Fut: Future<Output = Result<Vec<(Uuid, i64)>>>,
    {
        Self::read_together(keys, read, |_, parents, rows| {
            let found: Map<Uuid, i64> = rows.into_iter().collect();
            parents.into_iter().map(|parent| (parent, found.get(&parent).copied().unwrap_or_default())).collect()
        })
        .await
    }

    /// What `values` makes of the rows of each statement, for all of the keys that it was made for.
    async fn read_together<R, V, F, Fut>(
        keys: Vec<Self>,
        read: F,
        values: impl Fn(&A, Vec<Uuid>, R) -> Map<Uuid, V>,
    ) -> Result<Map<Self, OfParents<V>>>
    where
        F: Fn(Same<A>, Vec<Uuid>) -> Fut,
        Fut: Future<Output = Result<R>>,
    {
        let mut groups: Map<Same<A>, Vec<Self>> = Map::default();
        for key in keys {
            groups.entry(key.args.clone()).or_default().push(key);
        }
        let read_one = |(args, keys): (Same<A>, Vec<Self>)| {
            let mut parents: Vec<Uuid> = keys.iter().flat_map(|key| key.parents.iter().copied()).collect();
            parents.sort_unstable();
            parents.dedup();
            let rows = read(args.clone(), parents.clone());
            async move { Ok::<_, Error>((args, keys, parents, rows.await?)) }
        };
        let mut found = Map::default();
        for (args, keys, parents, rows) in try_join_all(groups.into_iter().map(read_one)).await? {
            let of_parents = Arc::new(values(&args, parents, rows));
            found.extend(keys.into_iter().map(|key| (key, Arc::clone(&of_parents))));
        }
        Ok(found)
    }
}

type Answer<V> = std::result::Result<Option<V>, Arc<Error>>;
type Read<B> = Map<<B as Batch>::Key, Answer<<B as Batch>::Value>>;
type Cached<B> = Loader<<B as Batch>::Key, Answer<<B as Batch>::Value>, Runner<B>, Read<B>>;

struct Runner<B> {
    reader: Reader,
    batch: std::marker::PhantomData<fn() -> B>,
}

impl<B: Batch> BatchFn<B::Key, Answer<B::Value>> for Runner<B> {
    async fn load(&mut self, keys: &[B::Key]) -> HashMap<B::Key, Answer<B::Value>> {
        match B::load(self.reader.clone(), keys.to_vec()).await {
            Ok(mut found) => keys.iter().map(|key| (key.clone(), Ok(found.remove(key)))).collect(),
            Err(error) => {
                let shared = Arc::new(error);
                keys.iter().map(|key| (key.clone(), Err(Arc::clone(&shared)))).collect()
            }
        }
    }
}

type Answers<B> = Arc<std::result::Result<HashMap<<B as Batch>::Key, Answer<<B as Batch>::Value>>, String>>;
type Awaited<B> = Shared<oneshot::Receiver<Answers<B>>>;

/// The keys that wait for their batch, and the answers that all who asked for them wait for.
struct Gathering<B: Batch> {
    keys: Vec<B::Key>,
    answers: Awaited<B>,
}

/// Gathers keys before the crate's loader sees them.
///
/// The crate alone keeps its state behind an asynchronous lock, which hundreds of siblings take one after another: some would ask, and some be
/// answered, long after the first, and their batch would be cut into several. Here nobody waits in line, neither to ask nor to be answered.
struct Gatherer<B: Batch> {
    loader: Cached<B>,
    open: Mutex<Option<Gathering<B>>>,
}

impl<B: Batch> Gatherer<B> {
    fn new(reader: Reader) -> Self {
        let runner = Runner::<B> { reader, batch: std::marker::PhantomData };
        Self { loader: Loader::with_cache(runner, Map::default()).with_yield_count(0).with_max_batch_size(MAX_BATCH), open: Mutex::default() }
    }

    /// Adds a key to the batch that is being gathered, or begins one.
    fn ask(self: &Arc<Self>, key: B::Key, turns: &Turns) -> Awaited<B> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gathering) = &mut *open {
            gathering.keys.push(key);
            return gathering.answers.clone();
        }
        let (tell, told) = oneshot::channel();
        let answers = told.shared();
        *open = Some(Gathering { keys: vec![key], answers: answers.clone() });
        turns.when_quiet(Arc::clone(self).answer(tell).boxed());
        answers
    }

    /// Reads what was gathered. Whoever asks from now on begins another batch.
    async fn answer(self: Arc<Self>, tell: oneshot::Sender<Answers<B>>) {
        let gathered = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        let keys = gathered.map(|gathering| gathering.keys).unwrap_or_default();
        let answers = self.loader.try_load_many(keys).await.map_err(|error| error.to_string());
        // Nobody may be waiting any more.
        let _ = tell.send(Arc::new(answers));
    }
}

/// The loaders of one snapshot, made when they are first asked, and the arguments that their keys share.
pub struct Loaders {
    by_batch: Mutex<Map<TypeId, Arc<dyn Any + Send + Sync>>>,
    /// By the batch function and where its arguments are: the [`Lists`] that were read. The arguments stay there, since the crate keeps its keys.
    lists: Mutex<Map<(TypeId, usize), Box<dyn Any + Send + Sync>>>,
    same: SameArguments,
    turns: Arc<Turns>,
}

impl Loaders {
    /// The loaders of a snapshot that the operation of these turns reads.
    #[must_use]
    pub fn new(turns: Arc<Turns>) -> Self {
        Self { by_batch: Mutex::default(), lists: Mutex::default(), same: SameArguments::default(), turns }
    }

    /// The value for a key, read together with those of its siblings.
    ///
    /// # Errors
    /// What the batch function failed with.
    pub async fn load<B: Batch>(&self, reader: &Reader, key: B::Key) -> Result<Option<B::Value>> {
        let answers = self.of::<B>(reader)?.ask(key.clone(), &self.turns);
        self.turns.stir();
        let answers = answers.await.map_err(|_| Error::internal("a batch was given up"))?;
        self.turns.stir();
        // All who waited go on at once, and what they were answered with is written without a pause.
        self.turns.begin().await;
        let found = answers.as_ref().as_ref().map_err(Error::internal)?;
        let answer = found.get(&key).ok_or_else(|| Error::internal("a loader left a key without an answer"))?;
        answer.clone().map_err(|error| Error::clone(&error))
    }

    /// What the parents of a key have, of which only that is read which was not read before.
    ///
    /// # Errors
    /// What the batch function failed with.
    pub async fn load_lists<B, A, V>(&self, reader: &Reader, key: ListKey<A>) -> Result<Lists<V>>
    where
        B: Batch<Key = ListKey<A>, Value = OfParents<V>>,
        A: Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        let of = (TypeId::of::<B>(), key.args.address());
        let known = self.known_lists(of);
        let missing: Arc<[Uuid]> = match known.0.as_slice() {
            [] => key.parents,
            _ => key.parents.iter().copied().filter(|parent| known.of(*parent).is_none()).collect(),
        };
        if missing.is_empty() {
            return Ok(known);
        }
        let fresh = self.load::<B>(reader, ListKey { parents: missing, args: key.args }).await?;
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        // Others may have noted theirs meanwhile, or the same, which came in one batch.
        if let (Some(fresh), Some(noted)) = (&fresh, lists.entry(of).or_insert_with(|| Box::new(Lists::<V>(Vec::new()))).downcast_mut::<Lists<V>>())
            && !noted.0.iter().any(|known| Arc::ptr_eq(known, fresh))
        {
            noted.0.push(Arc::clone(fresh));
        }
        Ok(Lists(known.0.into_iter().chain(fresh).collect()))
    }

    fn known_lists<V: 'static>(&self, of: (TypeId, usize)) -> Lists<V> {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lists.get(&of).and_then(|known| known.downcast_ref::<Lists<V>>());
        Lists(known.map(|known| known.0.clone()).unwrap_or_default())
    }

    /// The arguments that many parents share.
    #[must_use]
    pub const fn same(&self) -> &SameArguments {
        &self.same
    }

    fn of<B: Batch>(&self, reader: &Reader) -> Result<Arc<Gatherer<B>>> {
        let mut by_batch = self.by_batch.lock().unwrap_or_else(PoisonError::into_inner);
        let gatherer = by_batch.entry(TypeId::of::<B>()).or_insert_with(|| Arc::new(Gatherer::<B>::new(reader.clone())));
        Arc::clone(gatherer).downcast::<Gatherer<B>>().ok().ok_or_else(|| Error::internal("a loader of another type under this key"))
    }
}
