//! S3's operations, each handed to the file that knows it.

use std::sync::Arc;

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, BucketLocationConstraint, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CreateBucketInput, CreateBucketOutput,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteBucketInput, DeleteBucketOutput, DeleteObjectInput,
    DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, GetBucketLocationInput, GetBucketLocationOutput,
    GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput,
    ListBucketsInput, ListBucketsOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsInput,
    ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput, PutObjectInput,
    PutObjectOutput, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::shelf::{Bucket, Shelf, Taken, stamp};
use super::{listing, multipart, reading, writing};
use crate::tenants::Tenant;

/// The shelf as S3 sees it.
pub(super) struct Store {
    shelf: Arc<Shelf>,
}

/// The only region.
pub(super) const REGION: &str = "in-mum";

impl Store {
    pub(super) fn new(shelf: Arc<Shelf>) -> Self {
        Self { shelf }
    }
}

/// The tenant that was found in front of S3.
fn tenant<T>(request: &S3Request<T>) -> S3Result<Tenant> {
    request.extensions.get().cloned().ok_or_else(|| s3_error!(AccessDenied))
}

#[async_trait::async_trait]
impl S3 for Store {
    async fn list_buckets(&self, request: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let tenant = tenant(&request)?;
        self.shelf.within(&tenant, |room| listing::buckets(room, &tenant, request.input)).map(S3Response::new)
    }

    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        let (tenant, now, input) = (tenant(&request)?, self.shelf.now(), request.input);
        let place = input.create_bucket_configuration.and_then(|it| it.location_constraint);
        if place.is_some_and(|it| it.as_str() != REGION) {
            return Err(s3_error!(InvalidLocationConstraint));
        }
        self.shelf.make(&tenant, &input.bucket, Bucket::new(now)).map_err(|why| match why {
            Taken::Own => s3_error!(BucketAlreadyOwnedByYou),
            Taken::Others => s3_error!(BucketAlreadyExists),
        })?;
        Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{}", input.bucket)) }))
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.shelf.within(&tenant(&request)?, |room| listing::bucket(room, &request.input.bucket).map(drop))?;
        Ok(S3Response::new(HeadBucketOutput { bucket_region: Some(REGION.to_owned()), ..Default::default() }))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.shelf.within(&tenant(&request)?, |room| listing::bucket(room, &request.input.bucket).map(drop))?;
        let location_constraint = Some(BucketLocationConstraint::from(REGION.to_owned()));
        Ok(S3Response::new(GetBucketLocationOutput { location_constraint }))
    }

    async fn delete_bucket(&self, request: S3Request<DeleteBucketInput>) -> S3Result<S3Response<DeleteBucketOutput>> {
        let name = &request.input.bucket;
        self.shelf.remove(&tenant(&request)?, name, |room| {
            let empty = listing::bucket(room, name)?.objects.is_empty();
            if empty { Ok(()) } else { Err(s3_error!(BucketNotEmpty)) }
        })?;
        Ok(S3Response::new(DeleteBucketOutput {}))
    }

    async fn list_objects(&self, request: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        let tenant = tenant(&request)?;
        self.shelf.within(&tenant, |room| listing::objects(room, request.input)).map(S3Response::new)
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let tenant = tenant(&request)?;
        self.shelf.within(&tenant, |room| listing::objects_v2(room, &tenant, request.input)).map(S3Response::new)
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        reading::get(&self.shelf, &tenant(&request)?, request.input).await
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        reading::head(&self.shelf, &tenant(&request)?, request.input)
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let tenant = tenant(&request)?;
        writing::put(&self.shelf, &tenant, request).await
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        writing::copy(&self.shelf, &tenant(&request)?, request.input)
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        writing::delete(&self.shelf, &tenant(&request)?, &request.input)
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        writing::delete_all(&self.shelf, &tenant(&request)?, request.input)
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        multipart::create(&self.shelf, &tenant(&request)?, request.input)
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let tenant = tenant(&request)?;
        multipart::upload(&self.shelf, &tenant, request).await
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        multipart::upload_copy(&self.shelf, &tenant(&request)?, request.input).await
    }

    async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        multipart::list_parts(&self.shelf, &tenant(&request)?, request.input)
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        multipart::list(&self.shelf, &tenant(&request)?, &request.input)
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        multipart::complete(&self.shelf, &tenant(&request)?, request.input).await
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        multipart::abort(&self.shelf, &tenant(&request)?, &request.input)
    }
}

/// When a bucket was made, as a list shows it.
pub(super) fn shown(name: &str, bucket: &Bucket) -> s3s::dto::Bucket {
    s3s::dto::Bucket {
        name: Some(name.to_owned()),
        creation_date: Some(stamp(bucket.created)),
        bucket_region: Some(REGION.to_owned()),
    }
}
