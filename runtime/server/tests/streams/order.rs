//! The order of the outbox: whoever reads on after the last position it has seen misses nothing.

use super::shop::Shop;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Publishes and rollbacks of two servers run against each other while a reader follows the positions. What it has seen is
/// all that is there at the end: no position came up behind its back.
#[tokio::test]
async fn no_position_is_committed_behind_a_reader() {
    let shop = Arc::new(Shop::open().await);
    shop.stock(&["a,north,1,", "b,north,1,"]).await;
    let other = Shop::over(&shop.url).await;
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (shop, done) = (Arc::clone(&shop), Arc::clone(&done));
        async move {
            let (mut seen, mut last) = (BTreeSet::new(), 0);
            loop {
                let over = done.load(Ordering::Acquire);
                let page = shop.service.store().changes(None, last, 7, usize::MAX).await.unwrap();
                if page.is_empty() && over {
                    return seen;
                }
                for change in page {
                    assert!(change.position > last);
                    last = change.position;
                    seen.insert(last);
                }
            }
        }
    });
    let publish = async {
        for n in 2..12 {
            shop.stock(&[&format!("a,north,{n},"), &format!("b,south,{n},"), &format!("c{n},north,1,")]).await;
        }
    };
    let roll_back = async {
        for _ in 0..20 {
            let versions = other.service.store().versions().await.unwrap();
            // it may have been dropped meanwhile
            if let Some(kept) = versions.iter().find(|version| version.state == "kept") {
                let _ = other.service.rollback(kept.version).await;
            }
        }
    };
    tokio::join!(publish, roll_back);
    done.store(true, Ordering::Release);
    let seen = reader.await.unwrap();
    let all = shop.service.store().changes(None, 0, 1_000_000, usize::MAX).await.unwrap();
    assert!(all.len() > 30);
    assert_eq!(seen, all.iter().map(|change| change.position).collect::<BTreeSet<i64>>());
}
