//! Bodies in chunks: what is read, what is refused, and that it does not matter how they are cut.

use proptest::collection::vec;

use super::written::checksum_of;
use super::*;
use crate::sigv4::{BadChunks, Checksum, ChunkWriter, Chunks, Framing, MAX_SIGNED_CHUNK};

/// Reads a body in chunks that comes in pieces of these lengths, over and over.
fn read(chunks: &Chunks, body: &[u8], pieces: &[usize]) -> (Vec<u8>, Result<Option<String>, BadChunks>) {
    let (mut reader, mut out, mut rest) = (chunks.reader(), Vec::new(), body);
    let mut lengths = pieces.iter().cycle();
    while !rest.is_empty() {
        let (piece, later) = rest.split_at((*lengths.next().unwrap()).clamp(1, rest.len()));
        if let Err(why) = reader.read(piece, &mut out) {
            return (out, Err(why));
        }
        rest = later;
    }
    (out, reader.finish())
}

/// Reads the whole at once, as strictly as the gateway does.
pub(super) fn decoded(chunks: &Chunks, body: &[u8]) -> Result<Vec<u8>, BadChunks> {
    let (out, end) = read(chunks, body, &[usize::MAX]);
    end.map(|_| out)
}

fn framings() -> impl Strategy<Value = (bool, Option<Checksum>)> {
    let checksum = proptest::sample::select(&Checksum::ALL[..]);
    prop_oneof![
        checksum.clone().prop_map(|it| (false, Some(it))),
        checksum.prop_map(|it| (true, Some(it))),
        Just((true, None)),
    ]
}

/// An upload, and what is to be checked of its body.
fn upload(signed: bool, trailer: Option<Checksum>, size: usize, body: &[u8]) -> (Sent, Chunks) {
    let framing = Framing { signed, length: body.len() as u64, trailer };
    let sent = oracle::signed(&oracle::Plain::objects("PUT", "/b/k", body).in_chunks(framing, size));
    let Ok(PayloadCheck::Chunks(chunks)) = sent.head() else { panic!("{sent:#?}") };
    (sent, *chunks)
}

fn small(signed: bool, trailer: Option<Checksum>) -> (Sent, Chunks) {
    upload(signed, trailer, 4, b"hello chunks")
}

#[track_caller]
fn check(chunks: &Chunks, body: impl AsRef<[u8]>, expected: BadChunks) {
    assert_eq!(decoded(chunks, body.as_ref()), Err(expected));
}

/// The body with one text in place of another, once.
#[track_caller]
fn changed(sent: &Sent, from: &str, to: &str) -> String {
    let text = String::from_utf8(sent.body.clone()).unwrap();
    assert!(text.contains(from), "no `{from}` in `{text}`");
    text.replacen(from, to, 1)
}

proptest! {
    #[test]
    fn what_aws_sigv4_writes_in_chunks_is_read_however_it_is_cut(
        (signed, trailer) in framings(),
        body in vec(any::<u8>(), 0..400),
        size in 1usize..150,
        pieces in vec(1usize..90, 1..8),
    ) {
        let (sent, chunks) = upload(signed, trailer, size, &body);
        let (out, end) = read(&chunks, &sent.body, &pieces);
        prop_assert_eq!(end, Ok(trailer.map(|it| checksum_of(it, &body))));
        prop_assert_eq!(out, body);
    }

    #[test]
    fn whatever_comes_every_cut_of_it_gives_the_same_and_none_panics(
        (signed, trailer) in framings(),
        noise in vec(any::<u8>(), 0..40),
        at in 0usize..700,
        taken in 0usize..60,
        pieces in vec(1usize..90, 1..8),
    ) {
        let (sent, chunks) = small(signed, trailer);
        let mut body = sent.body;
        let from = at.min(body.len());
        let to = (from + taken).min(body.len());
        body.splice(from..to, noise);
        let whole = read(&chunks, &body, &[usize::MAX]);
        prop_assert_eq!(&read(&chunks, &body, &pieces), &whole);
        prop_assert_eq!(&read(&chunks, &body, &[1]), &whole);
        if whole.1.is_ok() {
            prop_assert_eq!(whole.0, b"hello chunks");
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read_and_never_panic(
        (signed, trailer) in framings(),
        body in "([0-9a-f]{1,3}|\r\n|\n|;chunk-signature=|x-amz-checksum-crc32:|[a-f0-9]{64}|[ -~]{0,9}){0,12}",
    ) {
        let (_, chunks) = small(signed, trailer);
        let whole = read(&chunks, body.as_bytes(), &[usize::MAX]);
        prop_assert!(whole.1.is_err());
        prop_assert_eq!(read(&chunks, body.as_bytes(), &[1, 2]), whole);
    }

    #[test]
    fn what_is_written_for_an_upstream_is_as_long_as_was_said_and_reads_as_the_same_body(
        trailer in proptest::sample::select(&Checksum::ALL[..]),
        length in prop_oneof![0usize..300, 65_000usize..66_000, 131_000usize..131_200],
        pieces in vec(1usize..70_000, 1..8),
    ) {
        let body: Vec<u8> = (0..length).map(|it| u8::try_from(it % 251).unwrap()).collect();
        let (_, chunks) = upload(false, Some(trailer), usize::MAX, &body);
        let mut writer = ChunkWriter::new(chunks.framing()).unwrap();
        let (said, mut out, mut rest) = (writer.length(), Vec::new(), &body[..]);
        let mut lengths = pieces.iter().cycle();
        while !rest.is_empty() {
            let (piece, later) = rest.split_at((*lengths.next().unwrap()).min(rest.len()));
            writer.write(piece, &mut out);
            rest = later;
        }
        prop_assert!(decoded(&chunks, &out).is_err(), "nothing that could be kept is sent before the end");
        writer.finish(&checksum_of(trailer, &body), &mut out);
        prop_assert_eq!(out.len() as u64, said);
        prop_assert_eq!(decoded(&chunks, &out), Ok(body));
    }
}

#[test]
fn the_example_of_the_documents_is_read() {
    // "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks", and with a trailer.
    let chain = |seed: &str| chunks::Chain {
        key: SigningKey::derive("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1", "s3"),
        date: "20130524T000000Z".to_owned(),
        scope: "20130524/us-east-1/s3/aws4_request".to_owned(),
        last: canonical::hex_bytes(seed).unwrap(),
    };
    let body = |signatures: [&str; 3]| {
        let [first, second, last] = signatures.map(|it| format!(";chunk-signature={it}\r\n"));
        let (long, short) = ("a".repeat(65_536), "a".repeat(1024));
        format!("10000{first}{long}\r\n400{second}{short}\r\n0{last}")
    };
    let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    let framing = Framing { signed: true, length: 66_560, trailer: None };
    let sent = body([
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]);
    assert_eq!(decoded(&Chunks::new(framing, chain(seed)), format!("{sent}\r\n").as_bytes()).unwrap().len(), 66_560);

    let seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
    let framing = Framing { trailer: Some(Checksum::Crc32c), ..framing };
    let sent = body([
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ]);
    // The end of the line is there twice, as in the documents.
    let trailer = "x-amz-checksum-crc32c:sOO8/Q==\n\r\n\
         x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";
    let chunks = Chunks::new(framing, chain(seed));
    assert_eq!(decoded(&chunks, format!("{sent}{trailer}").as_bytes()).unwrap().len(), 66_560);
}

#[test]
fn a_checksum_that_is_missing_repeated_another_or_wrong_is_refused() {
    let (sent, chunks) = small(false, Some(Checksum::Crc32));
    let line = format!("x-amz-checksum-crc32:{}\r\n", checksum_of(Checksum::Crc32, b"hello chunks"));
    check(&chunks, changed(&sent, &line, ""), BadChunks::Trailer);
    check(&chunks, changed(&sent, &line, &line.repeat(2)), BadChunks::Trailer);
    check(&chunks, changed(&sent, &line, &format!("{line}x-amz-meta-a:1\r\n")), BadChunks::Trailer);
    check(&chunks, changed(&sent, "crc32:", "crc32c:"), BadChunks::Trailer);
    check(&chunks, changed(&sent, "crc32:", "crc32"), BadChunks::Trailer);
    check(&chunks, changed(&sent, "hell", "hall"), BadChunks::Checksum);
    check(&chunks, changed(&sent, "==", "="), BadChunks::Checksum);
    check(&chunks, changed(&sent, "==", "==, AAAAAA=="), BadChunks::Checksum);
    assert!(decoded(&chunks, changed(&sent, "x-amz-checksum-crc32:", "X-Amz-Checksum-CRC32: ").as_bytes()).is_ok());
}

#[test]
fn a_chunk_that_is_changed_moved_left_out_or_signed_by_somebody_else_goes_no_further() {
    for trailer in [None, Some(Checksum::Sha256)] {
        let (sent, chunks) = small(true, trailer);
        check(&chunks, changed(&sent, "hell", "hall"), BadChunks::Signature);
        let text = String::from_utf8(sent.body.clone()).unwrap();
        // `length;chunk-signature=` and 64 digits, four bytes, and two ends of lines.
        let (first, rest) = text.split_at(1 + 17 + 64 + 2 + 4 + 2);
        let (second, rest) = rest.split_at(first.len());
        check(&chunks, format!("{second}{first}{rest}"), BadChunks::Signature);
        check(&chunks, format!("{first}{rest}"), BadChunks::Signature);
        check(&chunks, format!("{first}{first}{rest}"), BadChunks::Signature);
        let (other, _) = upload(true, trailer, 4, b"hello other chunks");
        let theirs = String::from_utf8(other.body).unwrap();
        check(&chunks, format!("{first}{}", theirs.split_at(first.len()).1), BadChunks::Signature);
        // What came before is known to be good, and nothing else.
        assert_eq!(read(&chunks, format!("{first}{first}").as_bytes(), &[7]).0, b"hell");
    }
}

#[test]
fn the_last_chunk_and_the_trailer_are_signed_as_well() {
    let (sent, chunks) = small(true, None);
    let text = String::from_utf8(sent.body).unwrap();
    let (body, last) = text.split_at(text.rfind("0;").unwrap());
    let other = last.replace(['1', '2', '3'], "4");
    check(&chunks, format!("{body}{other}"), BadChunks::Signature);
    check(&chunks, format!("{body}0\r\n\r\n"), BadChunks::Framing);
    check(&chunks, body, BadChunks::Unfinished);

    let (sent, chunks) = small(true, Some(Checksum::Crc32));
    let text = String::from_utf8(sent.body).unwrap();
    let signature = text.split_at(text.find("x-amz-trailer-signature:").unwrap()).1;
    check(&chunks, text.replace(signature, "\r\n"), BadChunks::Trailer);
    check(&chunks, text.replace(signature, &signature.replace(['1', '2', '3'], "4")), BadChunks::TrailerSignature);
    check(&chunks, text.replace(signature, &format!("{}\r\n{signature}", signature.trim_end())), BadChunks::Trailer);
    let value = checksum_of(Checksum::Crc32, b"hello chunks");
    check(&chunks, text.replace(&value, "AAAAAA=="), BadChunks::TrailerSignature);
}

#[test]
fn the_chunks_are_as_long_together_as_was_said() {
    for (signed, trailer) in [(false, Some(Checksum::Crc64Nvme)), (true, None)] {
        let (sent, _) = small(signed, trailer);
        for length in [0, 4, 11, 13, 100] {
            let mut sent = sent.clone();
            *sent.header("x-amz-decoded-content-length") = format!("{length}");
            // Nothing signs this header where the client does not; here it does, so the head is not asked.
            let chain = chunks_of(&sent, Framing { signed, length, trailer });
            check(&chain, &sent.body, BadChunks::Length);
        }
        for cut in 0..sent.body.len() {
            assert!(decoded(&chunks_of(&sent, Framing { signed, length: 12, trailer }), &sent.body[..cut]).is_err());
        }
    }
}

/// What is to be checked of a body whose head said something else of it.
fn chunks_of(sent: &Sent, framing: Framing) -> Chunks {
    let line = sent.clone().header("authorization").clone();
    Chunks::new(
        framing,
        chunks::Chain {
            key: SigningKey::derive(SECRET, "20261122", REGION, "s3"),
            date: "20261122T010203Z".to_owned(),
            scope: format!("20261122/{REGION}/s3/aws4_request"),
            last: canonical::hex_bytes(line.rsplit('=').next().unwrap()).unwrap(),
        },
    )
}

#[test]
fn nothing_is_kept_without_a_bound() {
    let (_, unsigned) = small(false, Some(Checksum::Crc32));
    let (_, signed) = upload(true, None, usize::MAX, &vec![7; usize::try_from(MAX_SIGNED_CHUNK).unwrap() + 1]);
    check(&unsigned, "0".repeat(17) + "\r\n", BadChunks::Framing);
    // A line that does not end is given up before anything behind it is looked at.
    for endless in ["0".repeat(10_000), "\n".repeat(10_000), "\r".repeat(128)] {
        check(&unsigned, &endless, BadChunks::Framing);
        check(&signed, &endless, BadChunks::Framing);
    }
    check(
        &unsigned,
        format!("0000000c\r\nhello chunks\r\n0\r\nx-amz-checksum-crc32:{}", "A".repeat(10_000)),
        BadChunks::Framing,
    );
    let signature = "0".repeat(64);
    check(&signed, format!("{:x};chunk-signature={signature}\r\n", MAX_SIGNED_CHUNK + 1), BadChunks::TooLarge);
    check(&signed, format!("{MAX_SIGNED_CHUNK:x};chunk-signature={signature}\r\n"), BadChunks::Unfinished);
    // One that is not signed is passed on as it comes, so that it may be as long as the body.
    assert_eq!(read(&unsigned, b"c\r\nhello", &[1]), (b"hello".to_vec(), Err(BadChunks::Unfinished)));
}

#[test]
fn a_chunk_is_begun_in_one_way_only() {
    let (_, unsigned) = small(false, Some(Checksum::Crc32));
    for bad in ["", "g", "-1", "+4", " 4", "4 ", "0x4", "4;a=b", "4;chunk-signature=00", "4\n", "4\r"] {
        check(&unsigned, format!("{bad}\r\nhell\r\n"), BadChunks::Framing);
    }
    for bad in ["c\nhello chunks\r\n0\r\n", "c\r\nhello chunks\n0\r\n", "c\r\nhello chunks0\r\n"] {
        assert!(decoded(&unsigned, bad.as_bytes()).is_err());
    }
    let (sent, chunks) = small(false, Some(Checksum::Crc32));
    check(&chunks, [&sent.body[..], b"x"].concat(), BadChunks::Framing);
    check(&chunks, [&sent.body[..], b"\r\n"].concat(), BadChunks::Framing);
}

#[test]
fn the_headers_that_describe_chunks_are_there_once_and_say_it_plainly() {
    let (sent, _) = small(false, Some(Checksum::Crc32));
    // As most clients do not sign them, nobody else may decide how often they are there.
    let judged = |name: &str, values: &[&str], signed: bool, trailing: bool| {
        let mut sent = sent.clone();
        sent.remove(name);
        for it in values {
            sent.add(name, it);
        }
        Framing::parse(&sent.arrival().headers, signed, trailing)
    };
    let length = "x-amz-decoded-content-length";
    assert_eq!(judged(length, &["12"], false, true).map(|it| it.length), Ok(12));
    for bad in [&[][..], &[""], &["-1"], &["+1"], &["1 "], &["0x1"], &["12", "12"], &["9999999999999999999"]] {
        assert_eq!(judged(length, bad, false, true), Err(Malformed::Chunks(length)), "{bad:?}");
    }
    let trailer = "x-amz-trailer";
    for checksum in Checksum::ALL {
        let read = judged(trailer, &[checksum.trailer()], true, true);
        assert_eq!(read.map(|it| it.trailer), Ok(Some(checksum)));
    }
    for bad in [
        &[][..],
        &[""],
        &["x-amz-checksum-md5"],
        &["x-amz-checksum-crc32,x-amz-checksum-sha1"],
        &["x-amz-checksum-crc32"; 2],
    ] {
        assert_eq!(judged(trailer, bad, false, true), Err(Malformed::Chunks(trailer)), "{bad:?}");
    }
    // Where none is announced, none may follow.
    assert_eq!(judged(trailer, &["x-amz-checksum-crc32"], true, false), Err(Malformed::Chunks(trailer)));
}

#[test]
fn signed_chunks_are_for_objects_and_go_on_from_a_header() {
    let (sent, _) = small(true, None);
    refused(&Sent { paths: PathMode::Api, ..sent }, "not taken here");
    let framing = Framing { signed: true, length: 1, trailer: None };
    let plain =
        oracle::Plain { lifetime: Some(60), ..oracle::Plain::objects("PUT", "/b/k", b"x").in_chunks(framing, 1) };
    let mut presigned = oracle::signed(&plain);
    presigned.add("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    refused(&presigned, "not taken here");
    let (mut clear, _) = small(true, Some(Checksum::Sha1));
    clear.tls = false;
    assert!(clear.judge().is_ok(), "what is signed may come in the clear");
}

#[test]
fn nothing_that_is_printed_of_chunks_holds_a_signature() {
    let (mut sent, chunks) = small(true, None);
    let line = sent.header("authorization").clone();
    let printed = format!("{chunks:?} {:?}", chunks.reader());
    assert!(!printed.contains(line.rsplit('=').next().unwrap()) && printed.contains("ChunkReader"), "{printed}");
}
