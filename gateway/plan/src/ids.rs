//! Ids: turns arena positions into newtypes, and groups of types into bit sets.

use smallvec::SmallVec;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The position in its arena.
            pub fn index(self) -> usize {
                self.0 as usize
            }

            /// The id of arena position `index`.
            ///
            /// # Panics
            /// When an arena has more than `u32::MAX` entries; inputs are limited far below that.
            pub fn new(index: usize) -> Self {
                Self(u32::try_from(index).expect("arenas are limited far below 2^32 entries"))
            }
        }
    )*};
}

ids! {
    /// A subgraph of the supergraph.
    SubgraphId,
    /// A named type of the supergraph.
    TypeId,
    /// A field of an object or interface type of the supergraph.
    FieldId,
    /// A selection set: of the operation, or of a field set of the supergraph.
    NodeId,
    /// A value of an object at a selection set.
    SlotId,
    /// A fetch of a plan.
    FetchId,
    /// A selection set of a fetch.
    SelectionId,
    /// A fragment with `@defer`, at one place of the operation.
    DeferId,
    /// What is delivered together: 0 is the initial response, others the fields that some fragments with `@defer` have.
    GroupId,
}

/// A set of types, as bits by [`TypeId`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct TypeSet(SmallVec<[u64; 2]>);

impl TypeSet {
    /// The set of one type.
    pub fn one(ty: TypeId) -> Self {
        let mut set = Self::default();
        set.insert(ty);
        set
    }

    /// Add a type.
    pub fn insert(&mut self, ty: TypeId) {
        let word = ty.index() / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (ty.index() % 64);
    }

    /// Take a type out.
    pub fn remove(&mut self, ty: TypeId) {
        if let Some(word) = self.0.get_mut(ty.index() / 64) {
            *word &= !(1 << (ty.index() % 64));
        }
        self.trim();
    }

    /// Whether it has `ty`.
    pub fn contains(&self, ty: TypeId) -> bool {
        self.0.get(ty.index() / 64).is_some_and(|word| word & (1 << (ty.index() % 64)) != 0)
    }

    /// Whether it has no type.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&w| w == 0)
    }

    /// How many types it has.
    pub fn len(&self) -> usize {
        self.0.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Whether every type of it is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().enumerate().all(|(i, w)| w & !other.0.get(i).copied().unwrap_or(0) == 0)
    }

    /// The types in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut set = Self(self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect());
        set.trim();
        set
    }

    /// The types in either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let (long, short) = if self.0.len() >= other.0.len() { (self, other) } else { (other, self) };
        let mut set = long.clone();
        for (word, bits) in set.0.iter_mut().zip(&short.0) {
            *word |= bits;
        }
        set
    }

    /// The types of it that are not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let bits = |i| other.0.get(i).copied().unwrap_or(0);
        let mut set = Self(self.0.iter().enumerate().map(|(i, w)| w & !bits(i)).collect());
        set.trim();
        set
    }

    /// Its types in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = TypeId> + '_ {
        self.0.iter().enumerate().flat_map(|(word, &bits)| {
            (0..64).filter(move |bit| bits & (1 << bit) != 0).map(move |bit| TypeId::new(word * 64 + bit))
        })
    }

    /// Equal sets have equal words: no zero words at the end.
    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }
}

impl FromIterator<TypeId> for TypeSet {
    fn from_iter<I: IntoIterator<Item = TypeId>>(types: I) -> Self {
        let mut set = Self::default();
        for ty in types {
            set.insert(ty);
        }
        set
    }
}
